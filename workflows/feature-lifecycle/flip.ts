import { CancellationScope, patched } from '@temporalio/workflow';
import { type FlipManner, lookUp, publish, switchReaders } from './calls.ts';
import type { LifecycleOptions, SwitchSummary, ViewPlan } from './contract.ts';

/** Marks, in a run's history, where a flip that has begun is seen through. */
const WHOLE_FLIPS = 'whole-flips';

/**
 * Flips readers to a built version. Told to stop meanwhile, it is seen through, and one whose answer was lost is looked up: the catalog would
 * serve a version that the lifecycle does not know of, whose stream nobody runs.
 */
export async function flip(by: 'publishView' | 'flipView', view: string, version: number): Promise<void> {
  if (!patched(WHOLE_FLIPS)) return await publish(by, view, version);
  await CancellationScope.nonCancellable(async () => {
    try {
      await publish(by, view, version);
    } catch (error) {
      if (!(await isServed(view, version))) throw error;
    }
  });
}

/**
 * Flips readers to a version beside the served one, as often as it takes to know whether it took place. Throws what it was refused with: nothing was done
 * then.
 */
export async function flipBeside(
  view: string,
  version: number,
  options: Pick<LifecycleOptions, 'keepPreviousHours'>,
  manner: FlipManner,
): Promise<SwitchSummary> {
  try {
    return await switchReaders(view, version, options, manner);
  } catch (error) {
    const plan = await planOf(view);
    if (plan?.live?.version !== version) throw error;
    const { previous } = plan;
    return { kept: previous == null ? null : { version: previous.version, untilMs: previous.untilMs } };
  }
}

async function isServed(view: string, version: number): Promise<boolean> {
  return (await planOf(view))?.live?.version === version;
}

async function planOf(view: string): Promise<ViewPlan | null> {
  try {
    return await lookUp(view);
  } catch {
    // What the flip failed with is told.
    return null;
  }
}
