import { type Client, QueryNotRegisteredError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  type ArchiveCommand,
  type ArchiveOptions,
  type ArchiveStatus,
  archiveStatusQuery,
  archiveWorkflowId,
} from '../workflows/archive-source/contract.ts';
import { grpcFailure } from '../config/temporal-error.ts';
import { actorName } from './actor.ts';
import { updateWorkflow } from './lifecycle-client.ts';

const ANSWER_WITHIN_MS = 3_000;

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
      memo: { actor: actorName() },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** What a running archive says of itself; null when no worker answers in time. */
export async function queryArchive(client: Client, source: string, taskQueue: string): Promise<ArchiveStatus | null> {
  const handle = client.workflow.getHandle(archiveWorkflowId(source, taskQueue));
  try {
    return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => handle.query(archiveStatusQuery));
  } catch (error) {
    if (error instanceof QueryNotRegisteredError || grpcFailure(error) !== null) return null;
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
