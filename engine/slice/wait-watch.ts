import type { MillraceErrorCode } from '../errors/error-codes.ts';
import type { MillraceError } from '../errors/millrace-error.ts';

/** What a run waits for: plain JSON. */
export interface Waiting {
  readonly code: string;
  readonly message: string;
  /** Epoch ms at which it began to wait. */
  readonly sinceMs: number;
}

/** The code of a wait for an open transaction: nothing fails, and nothing behind its beginning is given out. */
export const HELD_BACK = 'held-back' satisfies MillraceErrorCode;

/** What a watch looks at when it asks whether the wait is over. */
export interface Progress {
  readonly records: number;
  /** Of what can be read. */
  readonly lag: number;
}

/**
 * Knows what a run waits for, and whether its caller knows otherwise. A wait is over once something was committed again, or the run has
 * worked for a while with nothing to commit: that a claim succeeded says nothing of a disk.
 */
export class WaitWatch {
  readonly #known: Waiting | null | undefined;
  readonly #tellAfterMs: number;
  #waiting: Waiting | null;
  #held: Waiting | null = null;
  /** Monotonic, and since when it is this code that is waited for. */
  #codeSinceMs: number;
  #workingSinceMs: number | null = null;
  #recordsBefore = 0;

  /**
   * @param known what the caller knows: null is that nothing is waited for; undefined is that it does not ask
   * @param tellAfterMs how long a wait, and work after it, must last to count
   */
  constructor(known: Waiting | null | undefined, tellAfterMs: number, nowMs: number) {
    this.#known = known;
    this.#tellAfterMs = tellAfterMs;
    this.#waiting = known?.code === HELD_BACK ? null : (known ?? null);
    this.#codeSinceMs = nowMs;
  }

  get waiting(): Waiting | null {
    return this.#waiting ?? this.#held;
  }

  /** What holds the run back though nothing fails. */
  get held(): Waiting | null {
    return this.#held;
  }

  /** Says what holds the run back though nothing fails, for so long that it is to be told; null: nothing does. */
  heldBack(by: Waiting | null): void {
    this.#held = by;
  }

  failed(error: MillraceError, records: number, nowMs: number, epochMs: number): void {
    if (this.#waiting?.code !== error.code) this.#codeSinceMs = nowMs;
    this.#waiting = { code: error.code, message: error.message, sinceMs: this.#waiting?.sinceMs ?? epochMs };
    this.#workingSinceMs = null;
    this.#recordsBefore = records;
  }

  working(nowMs: number): void {
    this.#workingSinceMs = nowMs;
  }

  /** Whether it is otherwise than the caller knows, for long enough to be told. */
  hasTurned({ records, lag }: Progress, nowMs: number): boolean {
    const calmMs = this.#workingSinceMs === null ? null : nowMs - this.#workingSinceMs;
    if (calmMs !== null && (records > this.#recordsBefore || (lag === 0 && calmMs >= this.#tellAfterMs)))
      this.#waiting = null;
    if (this.#known === undefined || this.#known?.code === this.waiting?.code) return false;
    return this.#waiting === null || nowMs - this.#codeSinceMs >= this.#tellAfterMs;
  }
}
