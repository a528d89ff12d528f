import type { Clock } from '../values/clock.ts';
import type { LogScanProgress } from '../log/scan-log.ts';

export interface BackfillProgress {
  readonly phase: 'cut' | 'history' | 'topic' | 'copy' | 'load' | 'verify';
  /** Records and history rows passed so far. */
  readonly rows: number;
  readonly entities: number;
  /** Of the whole backfill, 0 to 100; null while the size of the log is unknown. */
  readonly percent: number | null;
  /** Over the scan so far. */
  readonly rowsPerSecond: number;
  /** Of `rows`, those that an attempt before had passed. */
  readonly resumedRows: number;
  /** Of `rows`, those that are saved: another attempt goes on after them. */
  readonly savedRows: number;
  /** Why what an attempt before had saved was of no use; null where it was, or there was none. */
  readonly restarted: string | null;
}

const REPORT_EVERY_MS = 1000;
/** What of the whole is scanning; the rest is loading. */
const SCAN_PERCENT = 90;

/** Keeps the progress of a backfill and reports it once a second, whatever it is doing. */
export class ProgressReporter {
  readonly #clock: Clock;
  readonly #onProgress: ((progress: BackfillProgress) => void) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #topicRows: number;
  readonly #startedMs: number;
  #phase: BackfillProgress['phase'] = 'cut';
  #history = { rows: 0, total: null as number | null };
  #topic = 0;
  #scanMs: number | null = null;
  #loaded = 0;
  #resumedRows = 0;
  #savedRows = 0;
  #restarted: string | null = null;
  entities = 0;

  /** @param topicRows How many offsets the cut covers. @param hasHistory Whether there is a history of a size unknown so far. */
  constructor(
    clock: Clock,
    topicRows: number,
    hasHistory: boolean,
    onProgress: ((progress: BackfillProgress) => void) | undefined,
  ) {
    this.#clock = clock;
    this.#topicRows = topicRows;
    this.#onProgress = onProgress;
    this.#startedMs = clock.monotonicMs();
    if (!hasHistory) this.#history.total = 0;
    if (onProgress !== undefined) this.#timer = setInterval(() => this.#report(), REPORT_EVERY_MS);
  }

  /** Begins a phase, and says so at once. */
  begin(phase: BackfillProgress['phase']): void {
    if (phase === this.#phase && phase !== 'cut') return;
    this.#phase = phase;
    if (phase === 'load') this.#scanMs = this.#clock.monotonicMs() - this.#startedMs;
    this.#report();
  }

  scanned({ phase, rows, totalRows }: LogScanProgress): void {
    this.begin(phase);
    if (phase === 'history') this.#history = { rows, total: totalRows };
    else {
      this.#topic = rows;
      this.#history.total ??= this.#history.rows;
    }
  }

  /** An attempt before had passed so many rows. */
  resumed(rows: number): void {
    this.#resumedRows = rows;
    this.#savedRows = rows;
  }

  /** What an attempt before had saved is of no use. */
  restarted(why: string): void {
    this.#restarted = why;
  }

  /** All that has passed so far is saved. */
  saved(): void {
    this.#savedRows = this.#history.rows + this.#topic;
    this.#report();
  }

  loaded(entities: number): void {
    this.#loaded = entities;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #report(): void {
    const rows = this.#history.rows + this.#topic;
    const ms = this.#scanMs ?? this.#clock.monotonicMs() - this.#startedMs;
    this.#onProgress?.({
      phase: this.#phase,
      rows,
      entities: this.entities,
      percent: this.#percent(rows),
      rowsPerSecond: ms > 0 ? (Math.max(0, rows - this.#resumedRows) / ms) * 1000 : 0,
      resumedRows: this.#resumedRows,
      savedRows: this.#savedRows,
      restarted: this.#restarted,
    });
  }

  #percent(rows: number): number | null {
    if (this.#phase === 'verify') return 100;
    if (this.#phase === 'copy') return this.entities === 0 ? null : Math.min(this.#loaded / this.entities, 1) * 100;
    if (this.#phase === 'load') {
      const share = this.entities === 0 ? 1 : Math.min(this.#loaded / this.entities, 1);
      return SCAN_PERCENT + share * (100 - SCAN_PERCENT);
    }
    if (this.#history.total === null) return null;
    const total = this.#history.total + this.#topicRows;
    return total === 0 ? SCAN_PERCENT : Math.min(rows / total, 1) * SCAN_PERCENT;
  }
}
