/** What the recording of histories shares: which are wanted, who answers for the activities, and where they go. */
import { writeFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Activities } from '../../activities/create-activities.ts';
import type { Command } from '../../workflows/feature-lifecycle/contract.ts';
import type { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { textOfHistory } from './history-text.ts';

const [suffixGiven, ...only] = process.argv.slice(2);
const suffix = suffixGiven === undefined || suffixGiven === '' ? '' : `-${suffixGiven}`;
export const isWanted = (name: string): boolean => only.length === 0 || only.includes(name);
export const scripts = new Map<string, { activities(): Activities }>();

export async function send(handle: WorkflowHandle, command: Command): Promise<void> {
  await handle.executeUpdate(command);
}

export async function retired(handle: WorkflowHandle): Promise<void> {
  await send(handle, 'retire');
  await handle.result();
}

export async function save(
  harness: LifecycleHarness,
  workflowId: string,
  runId: string | undefined,
  name: string,
): Promise<void> {
  const history = await harness.client.workflow.getHandle(workflowId, runId).fetchHistory();
  const file = new URL(`./histories/${name}${suffix}.json`, import.meta.url);
  await writeFile(file, `{"workflowId":${JSON.stringify(workflowId)},"history":${textOfHistory(history)}}\n`);
  process.stdout.write(`${name}: ${history.events?.length} events\n`);
}
