import { join } from 'node:path';
import { type DuckDb, quoteText } from '../duckdb/duckdb.ts';
import type { IntakeWait } from '../memory/intake-memory.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { LogBatch, RawRecord } from '../topic/log-reader.ts';
import { archivedPart, fileDamaged } from './archive-errors.ts';
import type { ArchiveRange } from './archive-manifest.ts';
import { RecordStretches } from './record-stretches.ts';
import { verifyFile } from './verify-file.ts';

/** A part of an archived range. */
export interface WantedRange {
  readonly range: ArchiveRange;
  readonly fromOffset: number;
  readonly untilOffset: number;
  /** The topic's, for the batches. */
  readonly endOffset: number;
}

/** DuckDB hands out chunks of so many rows, whatever they take; one is to take no more than about so many bytes. */
const CHUNK_ROWS = 2048;
const CHUNK_BYTES = 16 << 20;

/** Where archived records are, and what they are read with. */
export interface ArchiveAccess extends IntakeWait {
  readonly duckdb: DuckDb;
  readonly archiveDir: string;
  readonly topic: string;
  /** What there is for records on their way in. */
  readonly intake: MemoryBudget;
  /** Default 16 MiB. */
  readonly chunkBytes?: number | undefined;
}

/**
 * The records of ranges of one file, a range after the other, in batches of bounded bytes whose memory is counted. The last batch of a range ends at its
 * `untilOffset`. Throws `archive-file-missing`, `archive-file-damaged`, `memory-limit-too-small`.
 */
export async function* readArchiveFile(
  access: ArchiveAccess,
  wanted: readonly WantedRange[],
): AsyncGenerator<LogBatch> {
  const { duckdb, archiveDir, topic, intake, signal } = access;
  const ranges = [...wanted].sort((a, b) => a.range.partition - b.range.partition);
  await verifyRange(archiveDir, topic, ranges[0]!.range);
  const { file } = ranges[0]!.range;
  const path = join(archiveDir, file.path);
  const byPartition = new Map(ranges.map((each) => [each.range.partition, each]));
  const rowsOf = new Map<number, number>();
  const stretches = new RecordStretches(topic, intake, access);
  let open: WantedRange | null = null;
  let nextOffset = 0;
  try {
    const windowRows = await windowRowsOf(duckdb, path, access.chunkBytes ?? CHUNK_BYTES);
    for (const conditions of conditionsOf(ranges, windowRows)) {
      for await (const chunk of duckdb.chunks(selectRecords(path, conditions), [], signal)) {
        for await (const { records, memory } of stretches.read(chunk)) {
          const { partition, offset } = records.at(-1)!;
          const each = byPartition.get(partition)!;
          if (open !== null && open !== each) yield* rest(open, nextOffset);
          open = each;
          rowsOf.set(partition, (rowsOf.get(partition) ?? 0) + records.length);
          nextOffset = offset + 1;
          yield { partition, records, nextOffset, endOffset: Math.max(each.endOffset, nextOffset), memory };
        }
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    await verifyRange(archiveDir, topic, ranges[0]!.range); // names it where the file is the cause
    throw error;
  }
  if (open !== null) yield* rest(open, nextOffset);
  for (const each of ranges) {
    const rows = rowsOf.get(each.range.partition) ?? 0;
    checkRows(archiveDir, topic, each, rows);
    if (rows === 0) yield* rest(each, each.fromOffset);
  }
}

/** One archived record; null where the offset holds none (a control record). Throws `archive-file-missing`, `archive-file-damaged`. */
export async function archivedRecordAt(
  access: ArchiveAccess,
  range: ArchiveRange,
  offset: number,
): Promise<RawRecord | null> {
  const wanted = { range, fromOffset: offset, untilOffset: offset + 1, endOffset: range.untilOffset };
  for await (const { records } of readArchiveFile(access, [wanted])) if (records[0] !== undefined) return records[0];
  return null;
}

/** The offsets after the last record of a range hold none, and are passed. */
function* rest({ range, untilOffset, endOffset }: WantedRange, nextOffset: number): Generator<LogBatch> {
  if (nextOffset < untilOffset)
    yield {
      partition: range.partition,
      records: [],
      nextOffset: untilOffset,
      endOffset: Math.max(endOffset, untilOffset),
    };
}

async function verifyRange(archiveDir: string, topic: string, range: ArchiveRange): Promise<void> {
  await verifyFile(archiveDir, range.file, archivedPart({ topic, ...range }));
}

function checkRows(
  archiveDir: string,
  topic: string,
  { range, fromOffset, untilOffset }: WantedRange,
  rows: number,
): void {
  if (fromOffset !== range.fromOffset || untilOffset !== range.untilOffset || rows === range.rows) return;
  const { what, details } = archivedPart({ topic, ...range });
  throw fileDamaged(join(archiveDir, range.file.path), what, `${rows} rows, expected ${range.rows}`, details);
}

/**
 * How many rows are asked for at once, so that a chunk of them takes no more than the bytes; infinite where any chunk will do. A file of large records would
 * be given out 2,048 of them at a time.
 */
async function windowRowsOf(duckdb: DuckDb, path: string, chunkBytes: number): Promise<number> {
  const [found] = await duckdb.query<{ most: number | null }>(
    `SELECT max(bytes / rows) AS most FROM (
       SELECT any_value(row_group_num_rows) AS rows, sum(total_uncompressed_size) AS bytes FROM parquet_metadata(${quoteText(path)})
       WHERE path_in_schema IN ('key', 'value') GROUP BY row_group_id)`,
  );
  const rowBytes = found?.most ?? 0;
  return rowBytes * CHUNK_ROWS <= chunkBytes
    ? Number.POSITIVE_INFINITY
    : Math.max(1, Math.floor(chunkBytes / rowBytes));
}

/** The conditions of one query after the other. */
function* conditionsOf(ranges: readonly WantedRange[], windowRows: number): Generator<string[]> {
  if (windowRows === Number.POSITIVE_INFINITY) return yield ranges.map(condition);
  for (const range of ranges) {
    for (let from = range.fromOffset; from < range.untilOffset; from += windowRows)
      yield [condition({ ...range, fromOffset: from, untilOffset: Math.min(from + windowRows, range.untilOffset) })];
  }
}

function condition({ range, fromOffset, untilOffset }: WantedRange): string {
  return `partition = ${range.partition} AND "offset" >= ${fromOffset} AND "offset" < ${untilOffset}`;
}

/** The order of the file is the order of the records. A bare condition lets whole row groups be passed over, so one is not put in brackets. */
function selectRecords(path: string, conditions: readonly string[]): string {
  const where = conditions.length === 1 ? conditions[0]! : conditions.map((each) => `(${each})`).join(' OR ');
  return `SELECT partition, "offset", broker_timestamp, key, value FROM read_parquet(${quoteText(path)}) WHERE ${where}`;
}
