import { ActivityFailure, ApplicationFailure, isCancellation, patched, sleep } from '@temporalio/workflow';
import type { MillraceErrorCode } from '../engine/errors/error-codes.ts';
import { bounded } from './bounded.ts';
import { failureOf } from './failure.ts';
import { isRecord } from './json-input.ts';

/** Marks, in a run's history, where it began to wait by itself for what an activity waits for: what was decided before replays as it was. */
export const WAITS = 'waits';

/** The code of a slice's wait for an open transaction of its topic (`engine/slice`): it has seen the topic, and nothing fails. */
export const HELD_BACK = 'held-back' satisfies MillraceErrorCode;

/** What work waits for, since when, and which work. */
export interface Waiting {
  readonly code: string;
  readonly message: string;
  readonly sinceMs: number;
}

/** What waits, by its lane: plain JSON. */
export type WaitingLanes = Readonly<Record<string, Waiting>>;

/** So many lanes say in full what they wait for; of a thousand shards that wait for one broker the others say it shortly. */
const TOLD_IN_FULL = 5;
const IN_FULL_MOST = 2_000;
const SHORTLY_MOST = 60;

/** The lanes with this one's wait begun, or over. */
export function withWaiting(lanes: WaitingLanes, lane: string, waiting: Waiting | null): WaitingLanes {
  const { [lane]: _, ...others } = lanes;
  if (waiting === null) return others;
  const most = Object.keys(others).length < TOLD_IN_FULL ? IN_FULL_MOST : SHORTLY_MOST;
  return { ...others, [lane]: { ...waiting, message: bounded(waiting.message, most) } };
}

/** The wait that has lasted longest; null where nothing waits. */
export function longestWait(lanes: WaitingLanes): Waiting | null {
  return Object.values(lanes).reduce<Waiting | null>(
    (first, one) => (first === null || one.sinceMs < first.sinceMs ? one : first),
    null,
  );
}

/** A wait is told from this try on: what passes within seconds is no news. */
const TOLD_FROM = 3;
const FIRST_MS = 1_000;
const SLOW_MS = 30_000;
const SLOWEST_MS = 600_000;

/** Doubling from a second to half a minute, then an eighth of what was waited already: a month of waiting must fit into a history. */
function delayMs(tries: number, waitedMs: number): number {
  if (tries < 5) return FIRST_MS * 2 ** tries;
  return Math.min(SLOWEST_MS, Math.max(SLOW_MS, waitedMs / 8));
}

/** Whether an activity says of its failure that it passes without anybody's change (`engine/faults`). */
function isWaitedFor(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure)) return false;
  const [first] = cause.details ?? [];
  return isRecord(first) && first['waits'] === true;
}

/** `what-passes`: what its service gives time · `anything`: what has to happen, whatever stands in its way. */
export type Until = 'what-passes' | 'anything';

/**
 * The waits of one lane of work. Asked where work failed, and not around it: an activity that succeeds takes the very steps it took in
 * runs from before there were waits.
 *
 * @example
 * for (;;)
 *   try { return await lookUp(view); } catch (error) { await lane.retryAfter(error); }
 */
export class WaitLane {
  readonly #name: string;
  readonly #until: Until;
  readonly #onWait: (lane: string, waiting: Waiting | null) => void;
  #sinceMs: number | null = null;
  #tries = 0;
  #isTold = false;

  /** @param name what waits, as a page may call it */
  constructor(name: string, until: Until, onWait: (lane: string, waiting: Waiting | null) => void) {
    this.#name = name;
    this.#until = until;
    this.#onWait = onWait;
  }

  /** Resolves when the work is to be tried again. Throws `error` where that would not help, and when the wait is cancelled. */
  async retryAfter(error: unknown): Promise<void> {
    const passes = this.#until === 'anything' ? !isCancellation(error) : isWaitedFor(error);
    if (!passes || !patched(WAITS)) {
      this.over();
      throw error;
    }
    this.#sinceMs ??= Date.now();
    const { code, message } = failureOf(error, this.#name, this.#sinceMs);
    if (this.#tries + 1 >= TOLD_FROM) {
      this.#isTold = true;
      this.#onWait(this.#name, { code, message, sinceMs: this.#sinceMs });
    }
    try {
      const ms = delayMs(this.#tries++, Date.now() - this.#sinceMs);
      await sleep(ms, { summary: `${this.#name} waits: ${code}` });
    } catch (cancelled) {
      this.over();
      throw cancelled;
    }
  }

  /** The work has succeeded, or is given up. */
  over(): void {
    if (this.#isTold) this.#onWait(this.#name, null);
    this.#isTold = false;
    this.#sinceMs = null;
    this.#tries = 0;
  }
}
