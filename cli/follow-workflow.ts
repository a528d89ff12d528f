import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { progressOf } from './follow-lifecycle.ts';
import { fromFailure, runningActivities } from './lifecycle-client.ts';
import type { Output } from './output.ts';

const EVERY_MS = 500;

/**
 * Waits for a workflow's result and says how it goes meanwhile. Throws the error its activity ended with.
 *
 * @example
 * const summary = await followWorkflow<ExportSummary>(client, handle, output, 'export');
 */
export async function followWorkflow<Result>(
  client: Client,
  handle: WorkflowHandle,
  output: Output,
  what: string,
): Promise<Result> {
  for (;;) {
    const description = await client.workflow.getHandle(handle.workflowId).describe();
    if (description.status.name !== 'RUNNING') break;
    output.progress([what, ...runningActivities(description).map(progressOf)].join(' · '));
    await delay(EVERY_MS);
  }
  try {
    return (await handle.result()) as Result;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const cause = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    if (cause instanceof ApplicationFailure) throw fromFailure(cause);
    throw error;
  }
}
