import { CancellationScope } from '@temporalio/workflow';

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
