import type { Clock } from '../log/clock.ts';
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
  #sources = 1;
  #sourcesDone = 0;
  #rowsPerSource = 0;
  #rows = 0;
  #events = 0;
  #pass = 1;
  #percent = 0;

  constructor(clock: Clock, report: ((progress: TrainingProgress) => void) | undefined) {
    this.#clock = clock;
    this.#report = report;
    this.#startedMs = clock.monotonicMs();
  }

  phase(phase: TrainingProgress['phase']): void {
    this.#phase = phase;
    if (phase === 'write') this.#percent = 100;
    this.#send(this.#clock.monotonicMs());
  }

  /** The sweeps to come: so many sources, each reading so many label rows. */
  expect(sources: number, rowsPerSource: number): void {
    this.#sources = sources;
    this.#rowsPerSource = rowsPerSource;
  }

  /** The sweep at hand went on. */
  sweep({ rows, events, pass, passes, fraction }: SweepProgress): void {
    this.#pass = pass;
    this.#rows = rows;
    this.#events += events;
    const done = Math.min(1, fraction ?? rows / this.#rowsPerSource);
    const percent = (100 * (this.#sourcesDone + (pass - 1 + done) / passes)) / this.#sources;
    // A pass more than was known makes the part that is done smaller; what is told never falls.
    this.#percent = Math.max(this.#percent, Math.floor(percent));
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reportedMs >= REPORT_EVERY_MS) this.#send(nowMs);
  }

  sourceDone(): void {
    this.#sourcesDone++;
    this.#rows = 0;
    this.#pass = 1;
  }

  #send(nowMs: number): void {
    if (this.#report === undefined) return;
    this.#reportedMs = nowMs;
    const seconds = (nowMs - this.#startedMs) / 1000;
    this.#report({
      phase: this.#phase,
      rows: this.#sourcesDone * this.#rowsPerSource + this.#rows,
      totalRows: this.#sources * this.#rowsPerSource,
      events: this.#events,
      pass: this.#pass,
      percent: this.#percent,
      eventsPerSecond: seconds > 0 ? Math.round(this.#events / seconds) : 0,
    });
  }
}
