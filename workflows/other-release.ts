import { ActivityFailure, ApplicationFailure, patched, sleep } from '@temporalio/workflow';
import { isRecord } from './json-input.ts';
import type { WaitLane } from './waits.ts';

/** Marks, in a run's history, where it began to look at semantics: what was decided before replays as it was decided. */
export const UPGRADES = 'semantics-upgrade';

/** The code of an activity's failure, and the semantics of the worker that gave it: 0 of the first ones, which do not say. */
function answerOf(error: unknown): { readonly code: string; readonly engine: number } | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (!(cause instanceof ApplicationFailure)) return null;
  const [first] = cause.details ?? [];
  const engine = isRecord(first) ? first['engine'] : undefined;
  return { code: cause.type ?? '', engine: typeof engine === 'number' ? engine : 0 };
}

/** The semantics of a worker that goes on with nothing that earlier ones made; null for other failures. */
export function engineOf(error: unknown): number | null {
  const answer = answerOf(error);
  return answer?.code === 'semantics-retired' ? answer.engine : null;
}

/**
 * True where a worker of an earlier release took what it cannot do: it does not have the activity, or it knows the definition by another
 * fingerprint, as it must. Another worker can. `known`: the newest semantics heard of.
 */
export function isOtherRelease(error: unknown, known: number): boolean {
  const answer = answerOf(error);
  // As the SDK answers for an activity that is not registered.
  if (answer?.code === 'NotFoundError') return true;
  return answer?.code === 'definition-changed' && answer.engine < Math.max(known, 1);
}

/** How long what a worker of another release took waits before it is put on the queue again, ms. */
export function otherReleaseDelayMs(tries: number, mostMs: number): number {
  return Math.min(mostMs, 1000 * 2 ** Math.min(tries, 20));
}

/** How long what a worker of another release took waits at most: of a stream, which is to be fresh, and of all else. */
export const STREAM_WAITS_MS = 30_000;
const WAITS_MS = 300_000;

/** What a run does about work that workers of other releases took from queues that they share with this one's. */
export class OtherReleases {
  readonly #known: () => number;
  readonly #onWait: (isWaiting: boolean) => void;

  /** @param known the newest semantics heard of */
  constructor(known: () => number, onWait: (isWaiting: boolean) => void) {
    this.#known = known;
    this.#onWait = onWait;
  }

  /** True of an error that another worker would not have given. */
  gave(error: unknown): boolean {
    return isOtherRelease(error, this.#known()) && patched(UPGRADES);
  }

  /** Before the same is put on the queue again. */
  async wait(tries: number, mostMs: number = WAITS_MS): Promise<void> {
    this.#onWait(true);
    await sleep(otherReleaseDelayMs(tries, mostMs), { summary: 'a worker of another release took it' });
    this.#onWait(false);
  }

  /**
   * Does again what a worker of another release took and cannot do, until one of this release takes it, or `triesAtMost`; and, in a `lane`
   * that waits, what passes.
   */
  async pass<Result>(
    work: () => Promise<Result>,
    lane?: WaitLane,
    triesAtMost = Number.POSITIVE_INFINITY,
  ): Promise<Result> {
    for (let tries = 0; ; ) {
      try {
        const result = await work();
        lane?.over();
        return result;
      } catch (error) {
        if (tries < triesAtMost && this.gave(error)) await this.wait(tries++);
        else if (lane === undefined) throw error;
        else await lane.retryAfter(error);
      }
    }
  }
}

/** Of work that somebody waits for: after about four minutes its own failure is told. */
const TRIES = 8;

/** Runs an activity that is not a lifecycle's; what a worker of an earlier release took and cannot do is put on the queue again. */
export function byThisRelease<Result>(work: () => Promise<Result>, lane: WaitLane): Promise<Result> {
  return new OtherReleases(
    () => 0,
    () => {},
  ).pass(work, lane, TRIES);
}
