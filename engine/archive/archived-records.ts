import { join } from 'node:path';
import type { DuckDBDataChunk } from 'duckdb';
import { type DuckDb, quoteText } from '../duckdb/duckdb.ts';
import type { LogBatch, RawRecord } from '../topic/log-reader.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { archivedPart, fileDamaged } from './archive-errors.ts';
import type { ArchiveRange } from './archive-manifest.ts';
import { readBlobs } from './blob-column.ts';
import { verifyFile } from './verify-file.ts';

/** A part of an archived range. */
export interface WantedRange {
  readonly range: ArchiveRange;
  readonly fromOffset: number;
  readonly untilOffset: number;
  /** The topic's, for the batches. */
  readonly endOffset: number;
}

/**
 * The records of ranges of one file, a range after the other, in batches of at most 2,048. The last batch of a range ends at its
 * `untilOffset`. Throws `archive-file-missing`, `archive-file-damaged`.
 */
export async function* readArchiveFile(
  duckdb: DuckDb,
  archiveDir: string,
  topic: string,
  wanted: readonly WantedRange[],
  signal?: AbortSignal,
): AsyncGenerator<LogBatch> {
  const ranges = [...wanted].sort((a, b) => a.range.partition - b.range.partition);
  await verifyRange(archiveDir, topic, ranges[0]!.range);
  const { file } = ranges[0]!.range;
  const sql = selectRecords(join(archiveDir, file.path), ranges.map(condition));
  const byPartition = new Map(ranges.map((each) => [each.range.partition, each]));
  const rowsOf = new Map<number, number>();
  const chunkRecords = new ChunkRecords();
  let open: WantedRange | null = null;
  let nextOffset = 0;
  try {
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      for (const records of chunkRecords.read(chunk)) {
        const { partition, offset } = records.at(-1)!;
        const each = byPartition.get(partition)!;
        if (open !== null && open !== each) yield* rest(open, nextOffset);
        open = each;
        rowsOf.set(partition, (rowsOf.get(partition) ?? 0) + records.length);
        nextOffset = offset + 1;
        yield { partition, records, nextOffset, endOffset: Math.max(each.endOffset, nextOffset) };
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
  duckdb: DuckDb,
  archiveDir: string,
  topic: string,
  range: ArchiveRange,
  offset: number,
): Promise<RawRecord | null> {
  const wanted = { range, fromOffset: offset, untilOffset: offset + 1, endOffset: range.untilOffset };
  for await (const { records } of readArchiveFile(duckdb, archiveDir, topic, [wanted]))
    if (records[0] !== undefined) return records[0];
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

function condition({ range, fromOffset, untilOffset }: WantedRange): string {
  return `partition = ${range.partition} AND "offset" >= ${fromOffset} AND "offset" < ${untilOffset}`;
}

/** The order of the file is the order of the records. A bare condition lets whole row groups be passed over, so one is not put in brackets. */
function selectRecords(path: string, conditions: readonly string[]): string {
  const where = conditions.length === 1 ? conditions[0]! : conditions.map((each) => `(${each})`).join(' OR ');
  return `SELECT partition, "offset", broker_timestamp, key, value FROM read_parquet(${quoteText(path)}) WHERE ${where}`;
}

/** Turns chunks of the five raw columns into records, a run per partition. */
class ChunkRecords {
  readonly #readPartition = rawColumn('INTEGER');
  readonly #readOffset = rawColumn('BIGINT');
  readonly #readTimestamp = rawColumn('TIMESTAMP WITH TIME ZONE');
  readonly #partitions: number[] = [];
  readonly #offsets: number[] = [];
  readonly #timestamps: number[] = [];
  readonly #keys: (Buffer | null)[] = [];
  readonly #values: (Buffer | null)[] = [];

  *read(chunk: DuckDBDataChunk): Generator<RawRecord[]> {
    this.#readPartition(chunk, 0, this.#partitions);
    this.#readOffset(chunk, 1, this.#offsets);
    this.#readTimestamp(chunk, 2, this.#timestamps);
    readBlobs(chunk, 3, this.#keys);
    readBlobs(chunk, 4, this.#values);
    const count = chunk.rowCount;
    const runs: RawRecord[][] = [];
    let records: RawRecord[] = [];
    for (let row = 0; row < count; row++) {
      const partition = this.#partitions[row]!;
      if (row > 0 && partition !== this.#partitions[row - 1]) {
        runs.push(records);
        records = [];
      }
      records.push({
        partition,
        offset: this.#offsets[row]!,
        timestampUs: this.#timestamps[row]!,
        key: this.#keys[row]!,
        value: this.#values[row]!,
      });
    }
    runs.push(records);
    yield* runs;
  }
}
