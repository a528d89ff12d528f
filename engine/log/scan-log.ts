import { BIGINT, BLOB, blobValue, type DuckDBBlobValue, INTEGER } from 'duckdb';
import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import { eventTimeOf } from '../define/event-time.ts';
import { internalBug, invariant } from '../errors/millrace-error.ts';
import type { Cut } from '../topic/cut.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { EventBatch } from '../admission/event-batch.ts';
import { eventIdText } from '../admission/event-id.ts';
import type { HistoryFile } from '../history/history-files.ts';
import { type HistoryFigures, HistoryLedger } from '../history/history-ledger.ts';
import type { HistoryPoint } from '../history/history-place.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import type { ScanOrder } from '../history/history-run.ts';
import { type HistoryScan, scanHistory } from '../history/history-scan.ts';
import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { LogReader, RawRecord } from '../topic/log-reader.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { HistoryReads } from '../history/named-history.ts';
import { mergeByTime } from './merge-by-time.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { type NewIds, type PartitionFigures, type PartitionPoint, TopicScan } from '../topic/topic-scan.ts';

export interface LogScanProgress {
  readonly phase: 'history' | 'topic';
  readonly rows: number;
  /** Null while unknown. */
  readonly totalRows: number | null;
}

/** Where a scan of a log stands, in plain JSON: another one over the same files, up to the same cut, goes on from it. */
export type LogPoint =
  | { readonly in: 'history'; readonly history: HistoryPoint }
  | { readonly in: 'topic'; readonly history: PassedHistory | null; readonly topic: readonly PartitionPoint[] };

/** Of records, what is decoded at once. */
const BATCH_BYTES = 2 << 20;

/** A history that has passed: all of its figures but the ids. */
export type PassedHistory = Omit<HistoryFigures, 'horizonIds'>;

/** What a scan goes on from: its point, and by partition (-1: the history) the ids claimed before it, packed, in their order. */
export interface SavedLog {
  readonly point: LogPoint;
  readonly ids: ReadonlyMap<number, readonly Uint8Array[]>;
}

export interface LogScanOptions {
  readonly source: CompiledSource;
  /** How far the topic is read; null: history only. */
  readonly cut: Cut | null;
  readonly reader: LogReader | null;
  readonly duckdb: DuckDb;
  readonly listings: HistoryListings;
  readonly order: ScanOrder;
  /** Which files of the history: exactly these; null: none of it; left out: those that there are now. */
  readonly reads?: HistoryReads | null | undefined;
  /** What another scan had passed; left out: nothing. Not in order `event-time`. */
  readonly from?: SavedLog | undefined;
  /** Whether `point` will be asked for. */
  readonly isSaved?: boolean | undefined;
  /** Where the ids of the topic are counted. Default: the memory of the process. */
  readonly memory?: MemoryBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what the topic's read waits for where that lasts, and null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly onProgress?: ((progress: LogScanProgress) => void) | undefined;
  readonly onInvalid?: ((record: InvalidRecord) => void) | undefined;
}

/** What a scan of a log came to; final once it has ended. */
export interface LogScanFigures {
  /** `records`, `tombstones`, `invalid`, `outsideUntil`, `duplicates` and `undeduped` of history and topic together. */
  readonly counts: LogCounts;
  readonly files: readonly HistoryFile[];
  /** Null for a source without history. */
  readonly history: HistoryFigures | null;
  /** Of the partitions of the cut, ascending; empty without one. */
  readonly partitions: readonly PartitionFigures[];
}

/** History ∪ {offset < E[p]}: the whole log of a source up to a cut. */
export interface LogScan {
  /** Once. The arrays, events and rows are used again for the next batch. */
  batches(): AsyncIterable<LogEvent[]>;
  /** The record that the event at `index` of the batch at hand came from; null for a row of history, and in order `event-time`. */
  recordOf(index: number): RawRecord | null;
  /** Throws before the batches have ended. */
  readonly figures: LogScanFigures;
  /** Where it stands, while a batch is at hand: after it. With the ids claimed since the last call. Not in order `event-time`. */
  point(): { readonly point: LogPoint; readonly newIds: readonly NewIds[] };
}

/**
 * Scans the log of a source up to a cut, each record exactly once: history, then the topic through one pipeline per partition that
 * knows the history's last ids and final watermark. In order `event-time` both are merged by event time.
 *
 * @throws MillraceError (while iterating) what `scanHistory` throws, `history-overlaps-topic`, `offsets-gone`, `topic-recreated`, and what the reader throws.
 * @example
 * const scan = scanLog({ source, cut, reader, duckdb, listings, order: 'any', onInvalid: bury });
 * for await (const events of scan.batches()) for (const event of events) apply(event);
 * const { counts, partitions } = scan.figures;
 */
export function scanLog(options: LogScanOptions): LogScan {
  const run = new Scan(options);
  return {
    batches: () => run.batches(),
    recordOf: (index) => run.recordOf(index),
    point: () => run.point(),
    get figures(): LogScanFigures {
      return run.figures;
    },
  };
}

class Scan {
  readonly #options: LogScanOptions;
  /** Of the events of the topic's batch at hand. */
  readonly #records: RawRecord[] = [];
  #figures: LogScanFigures | null = null;
  #historyScan: HistoryScan | null = null;
  #topicScan: { readonly scan: TopicScan; readonly history: PassedHistory | null } | null = null;

  constructor(options: LogScanOptions) {
    this.#options = options;
  }

  get figures(): LogScanFigures {
    if (this.#figures === null) throw internalBug('the figures of a log were read before its scan had ended');
    return this.#figures;
  }

  batches(): AsyncGenerator<LogEvent[]> {
    return this.#options.order === 'event-time' ? this.#inTimeOrder() : this.#inAnyOrder();
  }

  recordOf(index: number): RawRecord | null {
    return this.#records[index] ?? null;
  }

  point(): { readonly point: LogPoint; readonly newIds: readonly NewIds[] } {
    if (this.#topicScan !== null) {
      const { scan, history } = this.#topicScan;
      const { points, newIds } = scan.point();
      // What the history claimed last came after its last point.
      const ids = this.#historyScan === null ? [] : [{ partition: -1, ids: this.#historyScan.point().newIds }];
      return { point: { in: 'topic', history, topic: points }, newIds: [...ids, ...newIds] };
    }
    if (this.#historyScan === null) throw internalBug('the point of a log was asked for before its scan had begun');
    const { point, newIds } = this.#historyScan.point();
    return { point: { in: 'history', history: point }, newIds: [{ partition: -1, ids: newIds }] };
  }

  get #hasHistory(): boolean {
    return this.#options.source.history !== null && this.#options.reads !== null;
  }

  async *#inAnyOrder(): AsyncGenerator<LogEvent[]> {
    let history = this.#passedHistory();
    if (this.#hasHistory && history === null) {
      const scan = this.#history();
      this.#historyScan = scan;
      yield* scan;
      history = scan.figures;
    }
    const topic = this.#topic(history);
    if (topic !== null) {
      this.#topicScan = { scan: topic, history: history === null ? null : passed(history) };
      const events: LogEvent[] = [];
      const accept = (event: LogEvent, record: RawRecord): void => {
        events.push(event);
        this.#records.push(record);
      };
      try {
        for await (const _ of topic.batches(accept)) {
          yield events;
          events.length = 0;
          this.#records.length = 0;
        }
        this.#end(history, topic);
      } finally {
        topic.release();
      }
      return;
    }
    this.#end(history, topic);
  }

  async *#inTimeOrder(): AsyncGenerator<LogEvent[]> {
    const { duckdb, cut } = this.#options;
    if (cut === null || cut.partitions.every(({ lowOffset, endOffset }) => lowOffset === endOffset)) {
      // The history alone, and a topic to hold against the cut.
      yield* this.#inAnyOrder();
      return;
    }
    const table = duckdb.newName('topic');
    let topic: TopicScan | null = null;
    const stage = async (horizon: HistoryHorizon | null): Promise<void> => {
      topic = this.#topic(horizon);
      await this.#stage(topic, table);
    };
    try {
      if (!this.#hasHistory) {
        await stage(null);
        yield* this.#staged(table);
        this.#end(null, topic);
      } else {
        const scan = this.#history(stage);
        yield* mergeByTime(scan, this.#staged(table));
        this.#end(scan.figures, topic);
      }
    } finally {
      (topic as TopicScan | null)?.release();
      await duckdb.run(`DROP TABLE IF EXISTS ${table}`);
    }
  }

  /** The history, where the scan that this one goes on from had passed it. */
  #passedHistory(): HistoryFigures | null {
    const { source, from, onProgress } = this.#options;
    if (from?.point.in !== 'topic' || from.point.history === null) return null;
    const { history } = from.point;
    onProgress?.({ phase: 'history', rows: history.rows, totalRows: history.rows });
    const ledger = new HistoryLedger(source);
    ledger.goOnFrom({ counts: history.counts, newestUs: history.newestEventTimeUs }, from.ids.get(-1) ?? []);
    return ledger.figures(history.files);
  }

  #history(beforeEvents?: (horizon: HistoryHorizon) => Promise<void>): ReturnType<typeof scanHistory> {
    const { source, reads, duckdb, listings, order, from, signal, onProgress, onInvalid } = this.#options;
    const point = from?.point.in === 'history' ? from.point.history : null;
    return scanHistory({
      source,
      ...(reads == null ? {} : { reads }),
      duckdb,
      listings,
      order,
      ...(point === null ? {} : { from: { point, ids: from?.ids.get(-1) ?? [] } }),
      signal,
      beforeEvents,
      onProgress: (rows, totalRows) => onProgress?.({ phase: 'history', rows, totalRows }),
      onInvalid: (position, file, reasons, payload) =>
        onInvalid?.({
          topic: 'history',
          partition: -1,
          offset: position,
          number: position,
          file,
          payload: Buffer.from(payload),
          reasons,
          brokerTimestampUs: null,
        }),
    });
  }

  #topic(horizon: HistoryHorizon | null): TopicScan | null {
    const { source, cut, reader, from, isSaved, memory, signal, onWait, onProgress, onInvalid } = this.#options;
    if (cut === null) return null;
    invariant(source.topic !== null && reader !== null, `source "${source.name}": a cut without a topic or a reader`);
    return new TopicScan(
      {
        source,
        topic: source.topic,
        cut,
        reader,
        ...(from?.point.in === 'topic' ? { from: { points: from.point.topic, ids: from.ids } } : {}),
        isSaved,
        memory,
        signal,
        onWait,
        onInvalid: (record) => onInvalid?.(record),
        onProgress: (rows, totalRows) => onProgress?.({ phase: 'topic', rows, totalRows }),
      },
      horizon,
    );
  }

  async #stage(topic: TopicScan | null, table: string): Promise<void> {
    const { duckdb } = this.#options;
    await duckdb.run(`CREATE TABLE ${table} (t BIGINT, partition INTEGER, "offset" BIGINT, number BIGINT, value BLOB)`);
    if (topic === null) return;
    const appender = await RowAppender.open(duckdb, table, [BIGINT, INTEGER, BIGINT, BIGINT, BLOB]);
    try {
      const append = (event: LogEvent, record: { readonly value: Uint8Array | null }): void =>
        appender.append(
          BigInt(event.eventTimeUs),
          event.partition,
          BigInt(event.offset),
          BigInt(event.number),
          blobValue(record.value ?? new Uint8Array(0)),
        );
      for await (const _ of topic.batches(append));
    } finally {
      appender.close();
    }
  }

  async *#staged(table: string): AsyncGenerator<LogEvent[]> {
    const { source, duckdb, signal } = this.#options;
    const batch = new EventBatch();
    const eventTime = eventTimeOf(source);
    const readPartition = rawColumn('INTEGER');
    const readBigint = rawColumn('BIGINT');
    const partitions: number[] = [];
    const offsets: number[] = [];
    const numbers: number[] = [];
    const sql = `SELECT partition, "offset", number, value FROM ${table} ORDER BY t, partition, "offset"`;
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      readPartition(chunk, 0, partitions);
      readBigint(chunk, 1, offsets);
      readBigint(chunk, 2, numbers);
      const values = chunk.getColumnVector(3);
      batch.clear();
      let decodedBytes = 0;
      for (let index = 0; index < chunk.rowCount; index++) {
        const { bytes } = values.getItem(index) as DuckDBBlobValue;
        if (decodedBytes > 0 && decodedBytes + bytes.length > BATCH_BYTES) {
          yield batch.events;
          batch.clear();
          decodedBytes = 0;
        }
        decodedBytes += bytes.length;
        const decoded = source.contract.decodeJson(bytes);
        invariant(decoded.ok, 'a record that was valid is so no more');
        const { row } = decoded;
        const id = source.eventIdField === null ? null : eventIdText(row[source.eventIdField]);
        const eventTimeUs = eventTime(row[source.eventTimeField]);
        const [partition, offset, number] = [partitions[index]!, offsets[index]!, numbers[index]!];
        batch.add(row, eventTimeUs, id, partition, offset, number);
      }
      yield batch.events;
    }
  }

  #end(history: HistoryFigures | null, topic: TopicScan | null): void {
    const partitions = topic?.figures() ?? [];
    const counts = emptyCounts();
    if (history !== null) addCounts(counts, history.counts);
    for (const part of partitions) addCounts(counts, part.counts);
    this.#figures = { counts, files: history?.files ?? [], history, partitions };
  }
}

function passed({ rows, files, newestEventTimeUs, counts }: HistoryFigures): PassedHistory {
  return { rows, files, newestEventTimeUs, counts };
}
