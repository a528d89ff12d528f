import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import type { AuditInput } from '../workflows/audit-parity/contract.ts';
import { namesOf } from './with-temporal.ts';

/**
 * Audits a view every `everyMs`, by a Temporal Schedule: seen, paused and triggered in the Temporal UI. An audit that takes longer than
 * that is not overtaken. Replaces an earlier schedule of the view; false where there was one.
 */
export async function scheduleAudit(
  client: Client,
  input: AuditInput,
  everyMs: number,
  taskQueue: string,
): Promise<boolean> {
  const { view } = input;
  const spec = { intervals: [{ every: everyMs }] };
  const action = {
    type: 'startWorkflow',
    workflowType: 'auditParity',
    workflowId: namesOf(client).auditId(view, 'scheduled'),
    taskQueue,
    args: [input],
  } as const;
  const policies = { overlap: ScheduleOverlapPolicy.SKIP };
  try {
    await client.schedule.create({ scheduleId: namesOf(client).auditScheduleId(view), spec, action, policies });
    return true;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(namesOf(client).auditScheduleId(view))
      .update((before) => ({ ...before, spec, action, policies: { ...before.policies, ...policies } }));
    return false;
  }
}

/** Ends the scheduled audits of a view; false where there were none. */
export async function removeAuditSchedule(client: Client, view: string): Promise<boolean> {
  try {
    await client.schedule.getHandle(namesOf(client).auditScheduleId(view)).delete();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
