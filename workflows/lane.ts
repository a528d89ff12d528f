import { CancellationScope } from '@temporalio/workflow';
import { type Failure, failureOf } from './failure.ts';

/** A running piece of work: its scope to cancel, and whether it is to stop (for good) or only to end (for the next run to go on). */
export interface Lane {
  readonly scope: CancellationScope;
  stopping: boolean;
  ending: boolean;
}

export function openLane(): Lane {
  return { scope: new CancellationScope(), stopping: false, ending: false };
}

export function stopLane(lane: Lane | null): void {
  if (lane === null || lane.stopping) return;
  lane.stopping = true;
  lane.scope.cancel();
}

/** How a lane's work broke off: what was thrown, and the failure that is; null of a lane that was told to stop or end. */
export interface BrokenOff {
  readonly error: unknown;
  readonly failure: Failure | null;
}

/** Runs `work` in the lane's scope. `during` names the step that was under way when it broke off. */
export async function runLane(lane: Lane, during: () => string, work: () => Promise<void>): Promise<BrokenOff | null> {
  try {
    await lane.scope.run(work);
    return null;
  } catch (error) {
    return { error, failure: lane.stopping || lane.ending ? null : failureOf(error, during(), Date.now()) };
  }
}

/** Runs all; the first that fails stops the others, and only when every one has ended is its error thrown. */
export async function allOrNone(scope: CancellationScope, tasks: readonly (() => Promise<void>)[]): Promise<void> {
  let first: { readonly error: unknown } | null = null;
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task();
      } catch (error) {
        first ??= { error };
        scope.cancel();
      }
    }),
  );
  const failed = first as { readonly error: unknown } | null;
  if (failed !== null) throw failed.error;
}
