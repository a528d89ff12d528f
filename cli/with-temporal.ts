import { Client, Connection } from '@temporalio/client';
import { type TemporalSettings, temporalConnectionOptions } from '../config/temporal-settings.ts';
import { TASK_QUEUE } from '../workflows/task-queues.ts';

/** Runs `work` with a client and closes its connection afterwards. */
export async function withTemporal<T>(settings: TemporalSettings, work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ ...temporalConnectionOptions(settings), connectTimeout: '5s' });
  try {
    return await work(new Client({ connection, namespace: settings.namespace }));
  } finally {
    await connection.close();
  }
}

/** The Web UI's start form with type and task queue filled in. */
export function startFormUrl({ uiUrl, namespace }: TemporalSettings, taskQueue = TASK_QUEUE): string {
  return `${uiUrl}/namespaces/${namespace}/workflows/start-workflow?workflowType=featureLifecycle&taskQueue=${encodeURIComponent(taskQueue)}`;
}

/** The Web UI's page of a workflow. */
export function workflowUrl({ uiUrl, namespace }: TemporalSettings, workflowId: string): string {
  return `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}
