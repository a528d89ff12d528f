import { randomUUID } from 'node:crypto';
import type { ExportLabelSize, ExportSize } from '../../workflows/export-training-set/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import type { TrainRows } from '../../workflows/train-model/contract.ts';
import type { Environment } from '../../config/environment.ts';
import { followWorkflow } from '../follow-workflow.ts';
import type { Output } from '../output.ts';
import { knownServices } from '../services.ts';
import { withTemporal } from '../with-temporal.ts';

/**
 * How many rows a training set would have: a worker makes the labels, or counts entities and steps, and writes nothing. Null where that is not told: a spine has
 * the rows of its file, and without services nobody can look.
 */
export async function trainingSize(
  env: Environment,
  output: Output,
  service: string,
  { decidedBy, ...rows }: TrainRows,
): Promise<ExportSize | ExportLabelSize | null> {
  if (rows.spine !== undefined) return null;
  const { temporal } = knownServices(env);
  if (temporal === null) {
    output.note('rows are not counted: TEMPORAL_ADDRESS is not set, and no "millrace dev" runs');
    return null;
  }
  return await withTemporal(temporal, env.installation, async (client) => {
    const handle = await client.workflow.start('exportTrainingSet', {
      workflowId: env.installation.exportId(service, randomUUID()),
      taskQueue: taskQueueOf(env.variables),
      args: [{ ...rows, ...(decidedBy === undefined ? {} : { model: decidedBy }), service, dryRun: true }],
    });
    return await followWorkflow<ExportSize | ExportLabelSize>(client, handle, output, 'counting rows');
  });
}
