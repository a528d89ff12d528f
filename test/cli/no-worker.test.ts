import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { queryArchive, startArchive } from '../../cli/archive-client.ts';
import { queryStatus, sendCommand } from '../../cli/lifecycle-client.ts';
import { archiveWorkflowId } from '../../workflows/archive-source/contract.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';

const view = `nobody_${randomUUID().slice(0, 8)}`;
const taskQueue = `nobody-${randomUUID()}`;
let connection: Connection;
let client: Client;

beforeAll(async () => {
  const { temporalAddress, temporalNamespace } = inject('stack');
  connection = await Connection.connect({ address: temporalAddress });
  client = new Client({ connection, namespace: temporalNamespace });
});
afterAll(() => connection.close());

it('a lifecycle or an archive without a worker has no answer, which is no error', async () => {
  const workflowId = installationNames().lifecycleId(view);
  await client.workflow.start('featureLifecycle', { workflowId, taskQueue, args: [{ view }] });
  expect(await queryStatus(client, view, 1_000)).toBeNull();
  expect(await startArchive(client, view, taskQueue)).toBe(true);
  expect(await queryArchive(client, view, taskQueue)).toBeNull();
  // Whoever sends a command does want an answer.
  await expect(sendCommand(client, view, 'pause')).rejects.toMatchObject({ code: 'no-worker', retryable: true });
  for (const id of [workflowId, archiveWorkflowId(view, taskQueue)])
    await client.workflow.getHandle(id).terminate('the test is over');
});
