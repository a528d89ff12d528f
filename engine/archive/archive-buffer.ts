import { type DuckDBAppender, type DuckDBConnection, DuckDBDataChunk, type DuckDBVector } from 'duckdb';
import type { CompiledContract } from '../contract/compiled-contract.ts';
import type { MonitorPart, RecordGatherer } from '../monitors/gather-records.ts';
import { recordDigest } from '../topic/anchor.ts';
import { chunkLeft } from '../duckdb/chunk-garbage.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import { type LogBatch, type PartitionEnds, realEnd } from '../topic/log-reader.ts';
import type { ArchiveColumn } from './archive-columns.ts';
import { APPENDED_BYTES, CHUNK_BYTES, COPIES, type StagedBytes } from './archive-memory.ts';

const CHUNK_ROWS = 2048;

/** What a file will hold of one partition. */
export interface BufferedRange {
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly untilOffset: number;
  /** The topic's real end: what lag counts to. */
  readonly endOffset: number;
  readonly rows: number;
  /** Of the last record; null where there is none. */
  readonly anchor: { readonly offset: number; readonly digest: Uint8Array } | null;
}

interface OpenRange {
  readonly fromOffset: number;
  nextOffset: number;
  ends: PartitionEnds;
  rows: number;
  anchor: BufferedRange['anchor'];
}

/** Where a buffer begins in a partition. */
export interface StartOffset extends PartitionEnds {
  readonly partition: number;
  readonly nextOffset: number;
}

/** Records on their way to a file, in a table of DuckDB, which spills. What is not in the table yet is bounded by bytes. */
export class ArchiveBuffer {
  readonly table: string;
  readonly startedMs: number;
  readonly staged: StagedBytes;
  rows = 0;
  bytes = 0;
  readonly #duckdb: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #appender: DuckDBAppender;
  readonly #contract: CompiledContract;
  readonly #columns: readonly ArchiveColumn[];
  readonly #ranges: Map<number, OpenRange>;
  /** Null: the source is not monitored. */
  readonly #gatherer: RecordGatherer | null;
  #chunk: DuckDBDataChunk | null = null;
  #vectors: DuckDBVector[] = [];
  #chunkRows = 0;
  #chunkBytes = 0;
  #appendedBytes = 0;

  static async open(
    duckdb: DuckDb,
    contract: CompiledContract,
    columns: readonly ArchiveColumn[],
    starts: readonly StartOffset[],
    nowMs: number,
    staged: StagedBytes,
    gatherer: RecordGatherer | null = null,
  ): Promise<ArchiveBuffer> {
    const table = duckdb.newName('archived');
    const definitions = columns.map(({ name, type }) => `${quoteName(name)} ${type.toString()}`);
    await duckdb.run(`CREATE TABLE ${table} (${definitions.join(', ')})`);
    const connection = await duckdb.connect();
    const appender = await connection.createAppender(table);
    return new ArchiveBuffer(duckdb, table, connection, appender, contract, columns, starts, nowMs, staged, gatherer);
  }

  private constructor(
    duckdb: DuckDb,
    table: string,
    connection: DuckDBConnection,
    appender: DuckDBAppender,
    contract: CompiledContract,
    columns: readonly ArchiveColumn[],
    starts: readonly StartOffset[],
    nowMs: number,
    staged: StagedBytes,
    gatherer: RecordGatherer | null,
  ) {
    this.#gatherer = gatherer;
    this.table = table;
    this.staged = staged;
    this.#duckdb = duckdb;
    this.startedMs = nowMs;
    this.#connection = connection;
    this.#appender = appender;
    this.#contract = contract;
    this.#columns = columns;
    this.#ranges = new Map(
      starts.map(({ partition, nextOffset, ...ends }) => [
        partition,
        { fromOffset: nextOffset, nextOffset, ends, rows: 0, anchor: null },
      ]),
    );
  }

  /** Hot path: takes a batch in. Batches come in order; of a partition that is not ours nothing comes. */
  add(batch: LogBatch): void {
    const range = this.#ranges.get(batch.partition);
    if (range === undefined) return;
    const { decodeJson } = this.#contract;
    const columns = this.#columns;
    const bytesBefore = this.bytes;
    for (const record of batch.records) {
      const decoded = record.value === null ? null : decodeJson(record.value);
      const row = decoded?.ok === true ? decoded.row : null;
      this.#gatherer?.add(record, decoded ?? undefined);
      const at = this.#chunkRows === 0 ? this.#newChunk() : this.#chunkRows;
      for (let column = 0; column < columns.length; column++)
        columns[column]!.write(this.#vectors[column]!, at, record, row);
      this.#chunkRows = at + 1;
      const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
      this.#chunkBytes += bytes;
      this.bytes += bytes;
      if (this.#chunkRows === CHUNK_ROWS || this.#chunkBytes >= CHUNK_BYTES) this.#flush();
    }
    this.staged.add(this.bytes - bytesBefore);
    this.rows += batch.records.length;
    range.rows += batch.records.length;
    const last = batch.records.at(-1);
    // Not the record itself, which would hold all that was fetched with it.
    if (last !== undefined) range.anchor = { offset: last.offset, digest: recordDigest(last) };
    range.nextOffset = batch.nextOffset;
    range.ends = { endOffset: batch.endOffset, highWatermark: batch.highWatermark };
  }

  /** Takes note of a partition's ends. */
  look(partition: number, ends: PartitionEnds): void {
    const range = this.#ranges.get(partition);
    if (range !== undefined) range.ends = ends;
  }

  /** Where the next buffer begins. */
  offsets(): StartOffset[] {
    return [...this.#ranges].map(([partition, { nextOffset, ends }]) => ({ partition, nextOffset, ...ends }));
  }

  /** The partitions that have come further. */
  ranges(): BufferedRange[] {
    return [...this.#ranges]
      .filter(([, { fromOffset, nextOffset }]) => nextOffset > fromOffset)
      .map(([partition, { fromOffset, nextOffset, ends, rows, anchor }]) => ({
        partition,
        fromOffset,
        untilOffset: nextOffset,
        endOffset: Math.max(realEnd(ends), nextOffset),
        rows,
        anchor,
      }))
      .sort((a, b) => a.partition - b.partition);
  }

  /** The file's rows, in order. */
  select(): string {
    return `SELECT * FROM ${this.table} ORDER BY partition, "offset"`;
  }

  /** What its records tell of their hours; once. */
  told(): MonitorPart[] {
    return this.#gatherer?.finish() ?? [];
  }

  /** Makes all rows visible and ends the appending. */
  seal(): void {
    if (this.#chunkRows > 0) this.#flush();
    this.#appender.closeSync();
    this.#duckdb.disconnect(this.#connection);
  }

  #newChunk(): number {
    const types = this.#columns.map(({ type }) => type);
    const chunk = DuckDBDataChunk.create(types, CHUNK_ROWS);
    this.#chunk = chunk;
    this.#vectors = types.map((_, column) => chunk.getColumnVector(column));
    return 0;
  }

  #flush(): void {
    if (this.#chunk === null) return;
    this.#chunk.rowCount = this.#chunkRows;
    // The client's vectors of lists look at all rows there is room for when they are flushed.
    for (const [column, { isNested }] of this.#columns.entries())
      if (isNested === true)
        for (let row = this.#chunkRows; row < CHUNK_ROWS; row++) this.#vectors[column]!.setItem(row, null);
    for (const vector of this.#vectors) vector.flush();
    this.#appender.appendDataChunk(this.#chunk);
    chunkLeft(this.#chunk, this.#chunkBytes * COPIES);
    this.#chunk = null;
    this.#chunkRows = 0;
    this.#appendedBytes += this.#chunkBytes;
    this.#chunkBytes = 0;
    // The appender's own rows are no part of what DuckDB counts, and do not spill.
    if (this.#appendedBytes < APPENDED_BYTES) return;
    this.#appendedBytes = 0;
    this.#appender.flushSync();
  }
}
