import { emptyPrepared } from '../define/empty-prepared.ts';
import { BatchEnd } from './batch-end.ts';
import type pg from 'pg';
import type { CompiledView, LogEvent, PreparedEvent } from '../define/compiled-view.ts';
import type { Cut } from '../topic/cut.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { LogReader, RawRecord } from '../topic/log-reader.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { type LogScanFigures, type SavedLog, scanLog } from '../log/scan-log.ts';
import { BatchLimit } from '../admission/batch-limit.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import type { HistoryReads } from '../history/named-history.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { brokerTimestampUs } from '../topic/record-judge.ts';
import { insertDeadLetters, placedLetters } from '../postgres/dead-letters.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { ProgressReporter } from './backfill-progress.ts';
import { type HeldVersion, holdVersion } from './build-attempt.ts';
import type { ProgressSaver } from './progress-saver.ts';
import type { StateBuffer } from './state-buffer.ts';

const LETTERS_PER_INSERT = 500;
const LETTER_BYTES_PER_INSERT = 8 << 20;

export interface ScanStatesOptions {
  readonly view: CompiledView;
  readonly held: HeldVersion;
  readonly cut: Cut | null;
  /** The files of the history; null: none, or those that there are. */
  readonly reads: HistoryReads | null;
  readonly reader: LogReader | null;
  readonly duckdb: DuckDb;
  readonly listings: HistoryListings;
  readonly accepted: AcceptedInvalid;
  readonly states: StateBuffer;
  /** What an attempt before had passed, and what it had counted; null: nothing. */
  readonly saved: { readonly log: SavedLog; readonly counts: LogCounts } | null;
  /** Null: nothing is saved on the way. */
  readonly saver: ProgressSaver | null;
  readonly pool: pg.Pool;
  readonly memory: MemoryBudget;
  readonly signal: AbortSignal | undefined;
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly progress: ProgressReporter;
}

/** What a scan came to, and what a stream goes on from. */
export interface ScannedStates {
  readonly figures: LogScanFigures;
  readonly counts: LogCounts;
  readonly limit: BatchLimit;
}

/**
 * Takes the whole log up to the cut into states; invalid records go to the dead letters on the way. Where it saves what it has done, it does so once more when
 * it is told to end.
 */
export async function scanStates(options: ScanStatesOptions): Promise<ScannedStates> {
  const { signal, saver } = options;
  const letters = new Letters(options);
  const end = signal === undefined || saver?.savesWhenStopped !== true ? null : new BatchEnd(signal);
  try {
    return await scanWith(options, letters, end);
  } finally {
    end?.close();
  }
}

async function scanWith(options: ScanStatesOptions, letters: Letters, end: BatchEnd | null): Promise<ScannedStates> {
  const { view, states, progress, signal, onWait, saved, saver } = options;
  if (saved !== null) await letters.recall();
  const scan = scanLog({
    source: view.source,
    cut: options.cut,
    ...(options.reads === null ? {} : { reads: options.reads }),
    reader: options.reader,
    duckdb: options.duckdb,
    listings: options.listings,
    order: 'newest-first',
    isSaved: saver !== null,
    memory: options.memory,
    ...(saved === null ? {} : { from: saved.log }),
    signal: end?.signal ?? signal,
    onWait,
    onProgress: (passed) => progress.scanned(passed),
    onInvalid: (record) => letters.add(record),
  });
  const counts = { ...emptyCounts(), ...saved?.counts };
  const before = { ...counts };
  const prepared: PreparedEvent = { ...emptyPrepared(view.layout.slots), keyInPlace: true };
  const withStates = (): void => {
    counts.applied = before.applied + states.counts.applied;
    counts.late = before.late + states.counts.late;
  };
  for await (const events of scan.batches()) {
    if (end === null) signal?.throwIfAborted();
    for (let index = 0; index < events.length; index++) {
      const event = events[index] as LogEvent;
      const outcome = view.prepare(event, prepared);
      if (outcome === 'ok') states.add(prepared);
      else if (outcome === 'filtered') counts.filtered++;
      else if (outcome === 'null-key') counts.nullKey++;
      else {
        counts.invalid++;
        letters.add(failedRow(view, event, scan.recordOf(index), outcome.invalid));
      }
    }
    progress.entities = Math.max(progress.entities, states.heldEntities);
    await states.endBatch();
    await letters.endBatch();
    if (saver !== null && (saver.isDue || end?.isAsked === true)) {
      withStates();
      try {
        await saver.save(scan, counts, letters.takeWaiting());
      } catch (error) {
        // Who is to end loses what was done since it saved last, as if it were killed, and ends for the reason it was given.
        signal?.throwIfAborted();
        throw error;
      }
      progress.saved();
    }
    signal?.throwIfAborted();
  }
  withStates();
  addCounts(counts, scan.figures.counts);
  await letters.flush(counts.records);
  return { figures: scan.figures, counts, limit: letters.limit };
}

/** An event one of the view's row functions failed on: its payload is the record's bytes; of a history row, its JSON. */
function failedRow(
  view: CompiledView,
  event: LogEvent,
  record: RawRecord | null,
  reasons: readonly string[],
): InvalidRecord {
  const { partition, offset, number, row } = event;
  if (record !== null) {
    const { value } = record;
    const topic = view.source.topic ?? 'history';
    const brokerUs = brokerTimestampUs(record);
    return { topic, partition, offset, number, file: null, payload: value, reasons, brokerTimestampUs: brokerUs };
  }
  const json = JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  const payload = Buffer.from(json);
  return { topic: 'history', partition, offset, number, file: null, payload, reasons, brokerTimestampUs: null };
}

/** Invalid records on their way to Postgres, in bounded batches. */
class Letters {
  readonly #options: ScanStatesOptions;
  readonly limit: BatchLimit;
  #batch: InvalidRecord[] = [];
  #waiting: InvalidRecord[] = [];
  #bytes = 0;

  constructor(options: ScanStatesOptions) {
    this.#options = options;
    this.limit = new BatchLimit(options.view.source, options.accepted);
  }

  add(record: InvalidRecord): void {
    this.#batch.push(record);
  }

  /** Judges anew what an attempt before had told: the database has it. */
  async recall(): Promise<void> {
    const { pool, held } = this.#options;
    for await (const letter of placedLetters(pool, held.view, held.version)) this.limit.add(letter);
  }

  /** Those that are not in the database yet; whoever takes them puts them there. */
  takeWaiting(): InvalidRecord[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    return taken;
  }

  /** Throws `too-many-invalid-records`. */
  async endBatch(): Promise<void> {
    if (this.#batch.length === 0) return;
    for (const record of this.#batch) {
      this.limit.add(record);
      this.#waiting.push(record);
      this.#bytes += record.payload?.length ?? 0;
    }
    this.#batch = [];
    if (this.#waiting.length >= LETTERS_PER_INSERT || this.#bytes >= LETTER_BYTES_PER_INSERT) await this.#insert();
  }

  /** Judges the whole. Throws `too-many-invalid-records`. */
  async flush(records: number): Promise<void> {
    await this.endBatch();
    this.limit.end(records);
    await this.#insert();
  }

  async #insert(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const { view, held, pool } = this.#options;
    const { version } = held;
    const letters = this.takeWaiting().map((record) => ({
      view: view.name,
      version,
      source: view.source.name,
      ...record,
    }));
    await withTransaction(pool, async (client) => {
      await holdVersion(client, held);
      await insertDeadLetters(client, letters);
    });
  }
}
