import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';

/** A file of archived records, as the manifest names it. */
export interface ArchiveFile {
  readonly id: number;
  readonly source: string;
  /** Relative to the archive's folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
}

/** What a file holds of a partition: every record of `[fromOffset, untilOffset)`. */
export interface ArchiveRange {
  readonly partition: number;
  readonly fromOffset: number;
  readonly untilOffset: number;
  readonly rows: number;
  readonly file: ArchiveFile;
}

/** What is archived of one topic on one cluster, at one instant. */
export class ArchiveManifest {
  /** Per partition and source, ascending and disjoint. Two sources may archive the same topic. */
  readonly #series: ReadonlyMap<number, readonly (readonly ArchiveRange[])[]>;

  constructor(ranges: readonly ArchiveRange[]) {
    const series = new Map<number, Map<string, ArchiveRange[]>>();
    for (const range of ranges) {
      const bySource = series.get(range.partition) ?? new Map<string, ArchiveRange[]>();
      series.set(range.partition, bySource);
      const own = bySource.get(range.file.source) ?? [];
      bySource.set(range.file.source, own);
      own.push(range);
    }
    for (const bySource of series.values())
      for (const own of bySource.values()) own.sort((a, b) => a.fromOffset - b.fromOffset);
    this.#series = new Map([...series].map(([partition, bySource]) => [partition, [...bySource.values()]]));
  }

  get isEmpty(): boolean {
    return this.#series.size === 0;
  }

  /** The range that holds an offset; null where none does. */
  rangeAt(partition: number, offset: number): ArchiveRange | null {
    for (const ranges of this.#series.get(partition) ?? []) {
      const range = ranges[startsUpTo(ranges, offset) - 1];
      if (range !== undefined && offset < range.untilOffset) return range;
    }
    return null;
  }

  /** The first archived offset after one that is not archived; null where there is none. */
  nextAfter(partition: number, offset: number): number | null {
    let next: number | null = null;
    for (const ranges of this.#series.get(partition) ?? []) {
      const from = ranges[startsUpTo(ranges, offset)]?.fromOffset;
      if (from !== undefined && (next === null || from < next)) next = from;
    }
    return next;
  }

  /** How far back archived ranges reach from `lowOffset` without a gap. */
  reachBack(partition: number, lowOffset: number): number {
    let low = lowOffset;
    for (;;) {
      const before = low === 0 ? null : this.rangeAt(partition, low - 1);
      if (before === null) return low;
      low = before.fromOffset;
    }
  }
}

function startsUpTo(ranges: readonly ArchiveRange[], offset: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.fromOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface RangeRow {
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly rows: number;
  readonly file_id: number;
}

interface FileRow {
  readonly id: number;
  readonly source: string;
  readonly path: string;
  readonly size_bytes: number;
  readonly sha256: Buffer;
}

/** The files of a topic on a cluster; of one source where it is named. Consistent with `archiveRanges` only in one snapshot. */
export async function archiveFiles(
  on: Queryable,
  topic: string,
  clusterId: string,
  source: string | null = null,
): Promise<ReadonlyMap<number, ArchiveFile>> {
  const { rows } = await runSql<FileRow>(
    on,
    sqlText`
    SELECT id, source, path, size_bytes, sha256 FROM ${CATALOG}.archive_file
    WHERE topic = ${topic} AND cluster_id = ${clusterId} AND (${source}::text IS NULL OR source = ${source})`,
  );
  return new Map(
    rows.map(({ id, source, path, size_bytes, sha256 }) => [id, { id, source, path, sizeBytes: size_bytes, sha256 }]),
  );
}

/** The ranges of the files given. */
export async function archiveRanges(on: Queryable, files: ReadonlyMap<number, ArchiveFile>): Promise<ArchiveRange[]> {
  if (files.size === 0) return [];
  const { rows } = await runSql<RangeRow>(
    on,
    sqlText`
    SELECT partition, from_offset, until_offset, rows, file_id FROM ${CATALOG}.archive_range
    WHERE file_id = ANY(${[...files.keys()]}::bigint[])`,
  );
  return rows.map(({ partition, from_offset, until_offset, rows: count, file_id }) => ({
    partition,
    fromOffset: from_offset,
    untilOffset: until_offset,
    rows: count,
    file: files.get(file_id)!,
  }));
}

/** The stamp of a topic of which nothing is archived. */
export const NO_FILES = 'none';

/** Changes whenever the files of a topic do: cheap to ask for again. */
export async function manifestStamp(on: Queryable, topic: string): Promise<string> {
  const { rows } = await runSql<{ stamp: string | null }>(
    on,
    sqlText`SELECT count(*) || ':' || max(id) AS stamp FROM ${CATALOG}.archive_file WHERE topic = ${topic}`,
  );
  return rows[0]?.stamp ?? NO_FILES;
}
