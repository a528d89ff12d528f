import { CancellationScope, patched } from '@temporalio/workflow';
import { lookUp, publish } from './calls.ts';

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

async function isServed(view: string, version: number): Promise<boolean> {
  try {
    const { live } = await lookUp(view);
    return live?.version === version;
  } catch {
    // What the flip failed with is told.
    return false;
  }
}
