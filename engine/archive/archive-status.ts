import type pg from 'pg';
import type { CompiledSource } from '../define/compiled-view.ts';
import { type LogReader, type PartitionBounds, realEnd } from '../topic/log-reader.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';

/** Offsets of a partition, contiguous. */
export interface ArchivedSpan {
  readonly fromOffset: number;
  /** Exclusive. */
  readonly untilOffset: number;
  readonly rows: number;
}

/** `not-named`: the manifest has neither a file nor a hole for them; rows of it were deleted by hand. */
export interface StatusHole {
  readonly fromOffset: number;
  readonly untilOffset: number;
  readonly reason: 'before-archiving' | 'retention' | 'not-named';
  /** UTC epoch µs; null for `not-named`. */
  readonly noticedAtUs: number | null;
}

export interface PartitionArchive {
  readonly partition: number;
  /** Ascending; ranges that touch are one. */
  readonly ranges: readonly ArchivedSpan[];
  readonly rows: number;
  /** Files that hold records of it. */
  readonly files: number;
  readonly holes: readonly StatusHole[];
  /** The next offset to archive; null where archiving has not begun. */
  readonly nextOffset: number | null;
  /** What the topic holds, as of now where it was asked, else as last seen; its end is the real one, open transactions included. */
  readonly lowOffset: number | null;
  readonly endOffset: number;
  /** Offsets that are in the topic and not archived. */
  readonly lag: number;
}

export interface ArchiveStatus {
  readonly source: string;
  readonly topic: string | null;
  /** Of the archive; null where nothing is archived. */
  readonly clusterId: string | null;
  readonly files: number;
  readonly rows: number;
  readonly sizeBytes: number;
  /** When a file was last added or a claim made, UTC epoch µs. */
  readonly updatedAtUs: number | null;
  readonly partitions: readonly PartitionArchive[];
}

interface OffsetRow {
  readonly partition: number;
  readonly cluster_id: string;
  readonly first_offset: number;
  readonly next_offset: number;
  readonly end_offset: number;
  readonly updated_at: number;
}

interface SpanRow {
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly rows: number;
  readonly files: number;
}

interface HoleRow {
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly reason: 'before-archiving' | 'retention';
  readonly noticed_at: number;
}

/**
 * What of a source's topic is archived, and what not. Without a reader the topic's bounds are those last seen.
 *
 * @throws MillraceError what `LogReader.bounds` throws.
 * @example
 * const { partitions } = await archiveStatus({ pool, source, reader });
 */
export async function archiveStatus(options: {
  readonly pool: pg.Pool;
  readonly source: CompiledSource;
  /** The topic's own reader. */
  readonly reader: LogReader | null;
}): Promise<ArchiveStatus> {
  const { pool, source, reader } = options;
  const { name, topic } = source;
  // The archive first: it is never ahead of bounds that were read after it.
  const stored = await withTransaction(
    pool,
    async (client) => ({
      offsets: await runSql<OffsetRow>(
        client,
        sqlText`
        SELECT partition, cluster_id, first_offset, next_offset, end_offset, updated_at FROM ${CATALOG}.archive_offset
        WHERE source = ${name} AND topic = ${topic} ORDER BY partition`,
      ),
      spans: await runSql<SpanRow>(client, spansOf(name, topic)),
      holes: await runSql<HoleRow>(
        client,
        sqlText`
        SELECT partition, from_offset, until_offset, reason, noticed_at FROM ${CATALOG}.archive_hole
        WHERE source = ${name} AND topic = ${topic} ORDER BY partition, from_offset`,
      ),
      files: await runSql<{ files: number; rows: number; bytes: number }>(
        client,
        sqlText`
        SELECT count(*) AS files, coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(size_bytes), 0)::bigint AS bytes
        FROM ${CATALOG}.archive_file WHERE source = ${name} AND topic = ${topic}`,
      ),
    }),
    { isolation: 'repeatable read' },
  );
  const bounds = reader === null || topic === null ? null : await reader.bounds(topic);
  const offsets = new Map(stored.offsets.rows.map((row) => [row.partition, row]));
  const held = new Map(bounds?.partitions.map((each) => [each.partition, each]));
  const partitions = [...new Set([...offsets.keys(), ...held.keys()])].sort((a, b) => a - b);
  const spans = Map.groupBy(stored.spans.rows, (row) => row.partition);
  const holes = Map.groupBy(stored.holes.rows, (row) => row.partition);
  const total = stored.files.rows[0]!;
  const updated = stored.offsets.rows.map((row) => row.updated_at);
  return {
    source: name,
    topic,
    clusterId: stored.offsets.rows[0]?.cluster_id ?? null,
    files: total.files,
    rows: total.rows,
    sizeBytes: total.bytes,
    updatedAtUs: updated.length === 0 ? null : Math.max(...updated),
    partitions: partitions.map((partition) =>
      partitionArchive(
        partition,
        offsets.get(partition),
        spans.get(partition) ?? [],
        holes.get(partition) ?? [],
        held.get(partition),
      ),
    ),
  };
}

/** Ranges that touch, as one; how many files a span is in. */
function spansOf(source: string, topic: string | null) {
  return sqlText`
    SELECT partition, min(from_offset) AS from_offset, max(until_offset) AS until_offset, sum(rows)::bigint AS rows,
      count(DISTINCT file_id) AS files
    FROM (
      SELECT *, sum(begins) OVER (PARTITION BY partition ORDER BY from_offset) AS span FROM (
        SELECT *, CASE WHEN lag(until_offset) OVER (PARTITION BY partition ORDER BY from_offset) = from_offset THEN 0 ELSE 1 END AS begins
        FROM ${CATALOG}.archive_range WHERE source = ${source} AND topic = ${topic}
      ) marked
    ) numbered GROUP BY partition, span ORDER BY partition, from_offset`;
}

function partitionArchive(
  partition: number,
  offset: OffsetRow | undefined,
  spans: readonly SpanRow[],
  holes: readonly HoleRow[],
  held: PartitionBounds | undefined,
): PartitionArchive {
  const nextOffset = offset?.next_offset ?? null;
  const lowOffset = held?.lowOffset ?? null;
  const endOffset = Math.max(held === undefined ? (offset?.end_offset ?? 0) : realEnd(held), nextOffset ?? 0);
  const ranges = spans.map(({ from_offset, until_offset, rows }) => ({
    fromOffset: from_offset,
    untilOffset: until_offset,
    rows,
  }));
  const known = holes.map(({ from_offset, until_offset, reason, noticed_at }) => ({
    fromOffset: from_offset,
    untilOffset: until_offset,
    reason,
    noticedAtUs: noticed_at,
  }));
  return {
    partition,
    ranges,
    rows: spans.reduce((sum, { rows }) => sum + rows, 0),
    files: spans.reduce((sum, { files }) => sum + files, 0),
    holes: [...known, ...notNamed([...ranges, ...known], nextOffset ?? 0)].sort((a, b) => a.fromOffset - b.fromOffset),
    nextOffset,
    lowOffset,
    endOffset,
    lag: endOffset - (nextOffset ?? lowOffset ?? 0),
  };
}

/** What of [0, next) is neither archived nor a known hole. */
function notNamed(
  covered: readonly { readonly fromOffset: number; readonly untilOffset: number }[],
  nextOffset: number,
): StatusHole[] {
  const holes: StatusHole[] = [];
  let at = 0;
  const ascending = [...covered].sort((a, b) => a.fromOffset - b.fromOffset);
  for (const { fromOffset, untilOffset } of [...ascending, { fromOffset: nextOffset, untilOffset: nextOffset }]) {
    if (fromOffset > at)
      holes.push({ fromOffset: at, untilOffset: fromOffset, reason: 'not-named', noticedAtUs: null });
    at = Math.max(at, untilOffset);
  }
  return holes;
}
