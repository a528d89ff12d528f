import type { LogCounts } from '../admission/log-counts.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** Where a scan of a history stands between two batches, in plain JSON: another one over the same files goes on from it. */
export interface HistoryPoint {
  /** Of the listing that is read. */
  readonly digest: string;
  /** The stretch at hand, and how many of its rows have passed. */
  readonly stretch: number;
  readonly rows: number;
  /** Of the positions of those rows in the order they came. */
  readonly order: number;
  /** Of the rows that reached dedupe; null without any. */
  readonly newestUs: number | null;
  readonly counts: LogCounts;
}

/** What a scan goes on from: its point, and the ids claimed before it that are in the horizon, packed, in the order they were claimed. */
export interface SavedHistory {
  readonly point: HistoryPoint;
  readonly ids: readonly Uint8Array[];
}

/** How far a scan is among its rows. One that goes on from a point passes over the rows before it, and sees that they are the same. */
export class HistoryPlace {
  readonly #from: Pick<HistoryPoint, 'stretch' | 'rows' | 'order'> | null;
  #stretch = 0;
  #rows = 0;
  #order = 0;

  constructor(from: Pick<HistoryPoint, 'stretch' | 'rows' | 'order'> | null) {
    this.#from = from;
    this.#stretch = from?.stretch ?? 0;
  }

  /** The stretch to begin with. */
  get firstStretch(): number {
    return this.#from?.stretch ?? 0;
  }

  get at(): Pick<HistoryPoint, 'stretch' | 'rows' | 'order'> {
    return { stretch: this.#stretch, rows: this.#rows, order: this.#order };
  }

  /** Begins a stretch. Throws `resume-refused` where the one before had fewer rows than were passed. */
  begin(stretch: number): void {
    if (stretch !== this.#stretch) this.end();
    this.#stretch = stretch;
    this.#rows = 0;
    this.#order = 0;
  }

  /**
   * Counts the next rows of the stretch; gives how many of them, from the first on, were passed before. Throws `resume-refused` where they are not the
   * rows that were.
   */
  pass(count: number, positionOf: (index: number) => number): number {
    const before = this.#left;
    let order = this.#order;
    for (let index = 0; index < count; index++) {
      order = (Math.imul(order, 31) + positionOf(index)) | 0;
      if (index + 1 === before && order !== this.#from?.order) throw resumeRefused('its rows come otherwise');
    }
    this.#order = order;
    this.#rows += count;
    return Math.min(before, count);
  }

  /** The stretch has ended. Throws `resume-refused` as `begin` does. */
  end(): void {
    if (this.#left > 0) throw resumeRefused(`stretch ${this.#stretch} has ${this.#rows} rows now`);
  }

  /** Rows of the stretch that were passed before, and not yet again. */
  get #left(): number {
    if (this.#from === null || this.#from.stretch !== this.#stretch) return 0;
    return Math.max(0, this.#from.rows - this.#rows);
  }
}

/** What was read before is not what is there. The work that was saved is of no use then. */
export function resumeRefused(what: string): MillraceError {
  return new MillraceError('resume-refused', `what was saved of a history's scan is not of this history: ${what}`, {
    remedy: 'Nothing: the backfill begins anew.',
    retryable: true,
    httpStatus: 409,
  });
}
