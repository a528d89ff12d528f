import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type ScheduleSpec,
} from '@temporalio/client';
import type { TrainInput } from '../../workflows/train-model/contract.ts';
import { SCHEDULED } from '../../workflows/train-model/contract.ts';
import { actorName } from '../actor.ts';
import { namesOf } from '../with-temporal.ts';

/** When a model is trained. */
export type TrainTimes =
  | { readonly everyMs: number }
  /** Five fields, as of cron; an IANA zone. */
  | { readonly cron: string; readonly timeZone: string };

/** What a server that was away missed is not made up for: the next training has newer labels. */
const CATCH_UP = '1h';

/**
 * Trains a model again and again, by a Temporal Schedule: seen, paused and triggered in the Temporal UI. A training that still goes on is not overtaken:
 * that time is skipped. Replaces an earlier schedule of the model; false where there was one.
 */
export async function scheduleTraining(
  client: Client,
  input: TrainInput,
  times: TrainTimes,
  taskQueue: string,
): Promise<{ readonly made: boolean; readonly next: readonly Date[] }> {
  const { model } = input;
  const scheduleId = namesOf(client).trainingId(model);
  const spec: ScheduleSpec =
    'everyMs' in times
      ? { intervals: [{ every: times.everyMs }] }
      : { cronExpressions: [times.cron], timezone: times.timeZone };
  const action = {
    type: 'startWorkflow',
    workflowType: 'trainModel',
    workflowId: `${scheduleId}${SCHEDULED}`,
    taskQueue,
    args: [input],
    memo: { actor: actorName(), ...('everyMs' in times ? { everySeconds: times.everyMs / 1000 } : {}) },
  } as const;
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP } as const;
  const handle = client.schedule.getHandle(scheduleId);
  let made = true;
  try {
    await client.schedule.create({ scheduleId, spec, action, policies });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    made = false;
    await handle.update((before) => ({ ...before, spec, action, policies: { ...before.policies, ...policies } }));
  }
  return { made, next: (await handle.describe()).info.nextActionTimes };
}

/** Ends the scheduled trainings of a model; false where there were none. One under way goes on. */
export async function unscheduleTraining(client: Client, model: string): Promise<boolean> {
  try {
    await client.schedule.getHandle(namesOf(client).trainingId(model)).delete();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
