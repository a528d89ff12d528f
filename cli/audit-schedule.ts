import { type Client, ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy } from '@temporalio/client';
import { type AuditInput, auditScheduleId, auditWorkflowId } from '../workflows/audit-parity/contract.ts';

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
    workflowId: auditWorkflowId(view, 'scheduled'),
    taskQueue,
    args: [input],
  } as const;
  const policies = { overlap: ScheduleOverlapPolicy.SKIP };
  try {
    await client.schedule.create({ scheduleId: auditScheduleId(view), spec, action, policies });
    return true;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(auditScheduleId(view))
      .update((before) => ({ ...before, spec, action, policies: { ...before.policies, ...policies } }));
    return false;
  }
}

/** Ends the scheduled audits of a view; false where there were none. */
export async function removeAuditSchedule(client: Client, view: string): Promise<boolean> {
  try {
    await client.schedule.getHandle(auditScheduleId(view)).delete();
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
