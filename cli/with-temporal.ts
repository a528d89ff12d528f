import { Client, type ClientOptions, Connection } from '@temporalio/client';
import { type TemporalSettings, temporalConnectionOptions } from '../config/temporal-settings.ts';
import { type InstallationNames, installationNames } from '../engine/installation/installation-names.ts';
import { TASK_QUEUE } from '../workflows/task-queues.ts';

/** A client that knows whose workflows it asks for. */
class InstallationClient extends Client {
  readonly names: InstallationNames;

  constructor(options: ClientOptions, names: InstallationNames) {
    super(options);
    this.names = names;
  }
}

/** The installation of a client of `withTemporal`; of any other the default one. */
export function namesOf(client: Client): InstallationNames {
  return client instanceof InstallationClient ? client.names : installationNames();
}

/** Runs `work` with a client that is the installation's, and closes its connection afterwards. */
export async function withTemporal<T>(
  settings: TemporalSettings,
  names: InstallationNames,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const connection = await Connection.connect({ ...temporalConnectionOptions(settings), connectTimeout: '5s' });
  try {
    return await work(new InstallationClient({ connection, namespace: settings.namespace }, names));
  } finally {
    await connection.close();
  }
}

/** The Web UI's start form with type and task queue filled in. */
export function startFormUrl(
  { uiUrl, namespace }: TemporalSettings,
  taskQueue = TASK_QUEUE,
  workflowType = 'featureLifecycle',
): string {
  return `${uiUrl}/namespaces/${namespace}/workflows/start-workflow?workflowType=${workflowType}&taskQueue=${encodeURIComponent(taskQueue)}`;
}

/** The Web UI's page of a workflow. */
export function workflowUrl({ uiUrl, namespace }: TemporalSettings, workflowId: string): string {
  return `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
}
