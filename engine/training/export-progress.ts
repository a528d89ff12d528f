import type { LabelProgress } from '../labels/label-scan.ts';
import type { Clock } from '../values/clock.ts';
import type { SweepProgress } from './sweep-source.ts';
import type { TrainingProgress } from './training-types.ts';

const REPORT_EVERY_MS = 200;

/** Turns what an export does into reports, a few per second at most, and one for each new phase. */
export class ExportProgress {
  readonly #clock: Clock;
  readonly #report: ((progress: TrainingProgress) => void) | undefined;
  readonly #startedMs: number;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #phase: TrainingProgress['phase'] = 'spine';
  #sweeps = 1;
  #sweepsDone = 0;
  #rowsOfSweeps: readonly number[] = [];
  #rowsDone = 0;
  #rows = 0;
  #events = 0;
  #pass = 1;
  #percent = 0;
  #labels: { readonly rows: number; readonly totalRows: number } | null = null;

  constructor(clock: Clock, report: ((progress: TrainingProgress) => void) | undefined) {
    this.#clock = clock;
    this.#report = report;
    this.#startedMs = clock.monotonicMs();
  }

  phase(phase: TrainingProgress['phase']): void {
    this.#phase = phase;
    this.#labels = null;
    if (phase === 'write') this.#percent = 100;
    this.#send(this.#clock.monotonicMs());
  }

  /** The labels of decisions are found: records passed, of `labels` decisions. */
  labels(phase: LabelProgress['phase'], done: number, total: number | null): void {
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    this.#labels = { rows: done, totalRows: total ?? 0 };
    const nowMs = this.#clock.monotonicMs();
    if (isNew || nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#send(nowMs);
  }

  /** Events were looked at before the sweeps. */
  scanned(events: number): void {
    this.#events += events;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#send(nowMs);
  }

  /** The sweeps to come, and how many label rows each of them reads. */
  expect(rowsOfSweeps: readonly number[]): void {
    this.#rowsOfSweeps = rowsOfSweeps;
    this.#sweeps = Math.max(1, rowsOfSweeps.length);
  }

  /** The sweep at hand went on. */
  sweep({ rows, events, pass, passes, fraction }: SweepProgress): void {
    this.#pass = pass;
    this.#rows = rows;
    this.#events += events;
    const done = Math.min(1, fraction ?? rows / (this.#rowsOfSweeps[this.#sweepsDone] ?? Number.POSITIVE_INFINITY));
    const percent = (100 * (this.#sweepsDone + (pass - 1 + done) / passes)) / this.#sweeps;
    // A pass more than was known makes the part that is done smaller; what is told never falls.
    this.#percent = Math.max(this.#percent, Math.floor(percent));
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#send(nowMs);
  }

  sweepDone(): void {
    this.#rowsDone += this.#rowsOfSweeps[this.#sweepsDone] ?? 0;
    this.#sweepsDone++;
    this.#rows = 0;
    this.#pass = 1;
  }

  #send(nowMs: number): void {
    if (this.#report === undefined) return;
    this.#reportedMs = nowMs;
    const seconds = (nowMs - this.#startedMs) / 1000;
    this.#report({
      phase: this.#phase,
      rows: this.#rowsDone + this.#rows,
      totalRows: this.#rowsOfSweeps.reduce((sum, rows) => sum + rows, 0),
      ...this.#labels,
      events: this.#events,
      pass: this.#pass,
      percent: this.#percent,
      eventsPerSecond: seconds > 0 ? Math.round(this.#events / seconds) : 0,
    });
  }
}
