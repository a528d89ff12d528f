import type { Clock } from '../log/clock.ts';
import type { TrainingProgress } from './training-types.ts';

const REPORT_EVERY_MS = 200;

/** Turns what an export does into reports, a few per second at most, and one for each new phase. */
export class ExportProgress {
  readonly #clock: Clock;
  readonly #report: ((progress: TrainingProgress) => void) | undefined;
  readonly #startedMs: number;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #phase: TrainingProgress['phase'] = 'spine';
  #doneRows = 0;
  #totalRows = 0;
  #rows = 0;
  #events = 0;
  #pass = 1;

  constructor(clock: Clock, report: ((progress: TrainingProgress) => void) | undefined) {
    this.#clock = clock;
    this.#report = report;
    this.#startedMs = clock.monotonicMs();
  }

  phase(phase: TrainingProgress['phase']): void {
    this.#phase = phase;
    this.#send(this.#clock.monotonicMs());
  }

  /** The sweeps of all sources together read this many label rows. */
  expectRows(totalRows: number): void {
    this.#totalRows = totalRows;
  }

  /** `rows` label rows of the pass at hand are read, and `events` more events were taken. */
  sweep(rows: number, events: number, pass: number): void {
    if (pass !== this.#pass) this.#pass = pass;
    this.#rows = rows;
    this.#events += events;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#send(nowMs);
  }

  /** A source is through with its `rows` label rows. */
  sourceDone(rows: number): void {
    this.#doneRows += rows;
    this.#rows = 0;
    this.#pass = 1;
  }

  #send(nowMs: number): void {
    if (this.#report === undefined) return;
    this.#reportedMs = nowMs;
    const rows = this.#doneRows + this.#rows;
    const seconds = (nowMs - this.#startedMs) / 1000;
    this.#report({
      phase: this.#phase,
      rows,
      totalRows: this.#totalRows,
      events: this.#events,
      pass: this.#pass,
      percent: this.#totalRows === 0 ? null : Math.floor((100 * rows) / this.#totalRows),
      eventsPerSecond: seconds > 0 ? Math.round(this.#events / seconds) : 0,
    });
  }
}
