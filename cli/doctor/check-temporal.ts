import { Connection } from '@temporalio/client';
import { missingSearchAttributes } from '../../config/search-attributes.ts';
import { type TemporalSettings, temporalConnectionOptions } from '../../config/temporal-settings.ts';
import { batchQueueOf, streamQueueOf, trainQueueOf } from '../../workflows/task-queues.ts';
import { failed, fine, type Finding, findingsOf, warned } from './finding.ts';

const AREA = 'temporal';
/** `temporal.api.enums.v1.TaskQueueType` of the wire. */
const WORKFLOW = 1;
const ACTIVITY = 2;

/** The namespace, its search attributes, and who takes the work. */
export async function checkTemporal(settings: TemporalSettings, taskQueue: string): Promise<readonly Finding[]> {
  const { namespace } = settings;
  const connection = await Connection.connect({ ...temporalConnectionOptions(settings), connectTimeout: '5s' });
  try {
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    const days = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400;
    return [
      fine(AREA, `Temporal ${serverVersion}, namespace ${namespace}; ended workflows are kept ${days.toFixed(0)} d`),
      ...(await findingsOf('search attributes', () => attributes(connection, namespace))),
      ...(await findingsOf('workers', () => workers(connection, namespace, taskQueue))),
    ];
  } finally {
    await connection.close();
  }
}

async function attributes(connection: Connection, namespace: string): Promise<readonly Finding[]> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing === null) return [fine('search attributes', 'all are there')];
  const found = `missing: ${missing.names.join(', ')}`;
  return [failed('search attributes', found, `A worker makes them where it may; else: ${missing.command}`)];
}

async function workers(connection: Connection, namespace: string, taskQueue: string): Promise<readonly Finding[]> {
  const queues = [
    { name: taskQueue, type: WORKFLOW, does: 'workflows' },
    { name: batchQueueOf(taskQueue), type: ACTIVITY, does: 'backfills, exports and audits' },
    { name: streamQueueOf(taskQueue), type: ACTIVITY, does: 'streams, archives, pairs and the evidence of rollouts' },
    { name: trainQueueOf(taskQueue), type: ACTIVITY, does: 'trainings' },
  ];
  return Promise.all(
    queues.map(async ({ name, type, does }) => {
      const { pollers } = await connection.workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name },
        taskQueueType: type,
      });
      const identities = new Set(pollers?.map(({ identity }) => identity));
      if (identities.size > 0) return fine('workers', `${identities.size} take ${does} (queue ${name})`);
      return warned('workers', `none took ${does} of late (queue ${name})`, 'Start one: millrace worker.');
    }),
  );
}
