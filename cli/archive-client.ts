import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  type ArchiveCommand,
  type ArchiveOptions,
  type ArchiveStatus,
  archiveWorkflowId,
} from '../workflows/archive-contracts.ts';
import { updateWorkflow } from './lifecycle-client.ts';

/** Starts a source's archive. False when it runs already: starting twice is harmless. */
export async function startArchive(
  client: Client,
  source: string,
  taskQueue: string,
  options?: Partial<ArchiveOptions>,
): Promise<boolean> {
  try {
    await client.workflow.start('archiveSource', {
      workflowId: archiveWorkflowId(source, taskQueue),
      taskQueue,
      args: [{ source, ...(options === undefined ? {} : { options }) }],
      staticSummary: `archive of ${source}`,
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Sends a command and returns what the archive answers. Throws `command-refused`, `not-started`, `no-worker`. */
export async function sendArchiveCommand(
  client: Client,
  source: string,
  taskQueue: string,
  command: ArchiveCommand,
): Promise<ArchiveStatus> {
  const workflowId = archiveWorkflowId(source, taskQueue);
  return await updateWorkflow<ArchiveStatus>(
    client,
    workflowId,
    command,
    () =>
      new MillraceError('not-started', `source "${source}" has no running archive (workflow id ${workflowId})`, {
        remedy: `Start it: millrace archive ${source}`,
        httpStatus: 404,
      }),
  );
}
