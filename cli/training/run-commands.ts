import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { modelName } from '../../engine/models/model-name.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { TRAIN_COMMAND_DESCRIPTIONS, TRAIN_COMMANDS, type TrainStatus } from '../../workflows/train-model/contract.ts';
import { checkTrainInput } from '../../workflows/train-model/input.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { updateWorkflow } from '../lifecycle-client.ts';
import { count, type Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';
import { asMillraceError } from './invalid-training.ts';
import { printTraining } from './print-training.ts';
import { type TrainOptions, trainInputOf, withTrainOptions } from './train-options.ts';
import { trainingSize } from './training-size.ts';
import { followTraining, noTraining, startTraining, trainingStatus } from './training-client.ts';

interface RunOptions extends CommonOptions, TrainOptions {
  readonly dryRun?: boolean | undefined;
  readonly detach?: boolean | undefined;
  readonly wait?: boolean | undefined;
}

/** `millrace train MODEL` */
export function addTrainRun(parent: Command): void {
  const command = withTrainOptions(
    parent
      .command('run', { isDefault: true })
      .argument('<model>', "the model's name, e.g. late_flights")
      .description('write a training set, run your command on it, publish what it makes, and open a rollout'),
  )
    .option('--dry-run', 'say what would be asked for and how many rows there would be, and train nothing')
    .option('--detach', 'start it, and do not wait')
    .option('--wait', 'wait for its end also while it waits for approval');
  withCommonOptions(command).action(async (name: string, options: RunOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const input = await trainInputOf(model, options);
    const checked = asMillraceError(() => checkTrainInput(input, Date.now()));
    if (options.dryRun === true) {
      const { workdir, approve, as, rows } = checked;
      const size = await trainingSize(env, output, checked.service, rows);
      if (output.isJson) return output.json({ ...input, ...rows, workdir, approve, as, size });
      output.line(JSON.stringify({ ...input, ...rows, workdir, approve, as }, null, 2));
      if (size !== null) {
        const of = 'labels' in size ? `; ${count(size.labels.counts.immature)} decisions are not mature yet` : '';
        output.line(`the training set would have ${count(size.rows)} rows${of}`);
      }
      return output.note('nothing was started (--dry-run)');
    }
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const handle = await startTraining(client, input, taskQueueOf(env.variables));
      output.note(`training of ${model}: ${workflowUrl(temporal, handle.workflowId)}`);
      if (options.detach === true) return output.json({ model, workflowId: handle.workflowId });
      told(output, await followTraining(client, handle, output, options.wait === true));
    });
  });
}

/** `millrace train approve|reject|status MODEL` */
export function addTrainSteers(parent: Command): void {
  for (const name of TRAIN_COMMANDS) {
    const command = parent.command(name).argument('<model>').description(TRAIN_COMMAND_DESCRIPTIONS[name]);
    command.option('--wait', 'wait for the end of the training, and show how it goes');
    withCommonOptions(command).action(async (given: string, options: CommonOptions & { readonly wait?: boolean }) => {
      await withTraining(given, options, async (client, model, output) => {
        const workflowId = contextOf(options).env.installation.trainingId(model);
        const status = await updateWorkflow<TrainStatus>(client, workflowId, name, () => noTraining(client, model));
        if (options.wait !== true) return printTraining(output, status);
        told(output, await followTraining(client, client.workflow.getHandle(workflowId), output, true));
      });
    });
  }
  const command = parent
    .command('status')
    .argument('<model>')
    .description('where its newest training is, and what came of it');
  withCommonOptions(command).action(async (given: string, options: CommonOptions) => {
    await withTraining(given, options, async (client, model, output) => {
      const handle = client.workflow.getHandle(contextOf(options).env.installation.trainingId(model));
      const status = await trainingStatus(client, handle).catch((error: unknown) => {
        throw error instanceof WorkflowNotFoundError ? noTraining(client, model) : error;
      });
      if (status !== null) return printTraining(output, status);
      output.note('no worker answers for it');
      process.exitCode = 1;
    });
  });
}

async function withTraining(
  name: string,
  options: CommonOptions,
  work: (client: Client, model: string, output: Output) => Promise<void>,
): Promise<void> {
  const { env, output } = contextOf(options);
  const model = modelName(name);
  const { temporal } = await neededServices(env, ['temporal']);
  await withTemporal(temporal, env.installation, (client) => work(client, model, output));
}

/** Exit code 0 is for a model that was published, and for one that waits to be. */
function told(output: Output, status: TrainStatus): void {
  printTraining(output, status);
  if (status.phase === 'below-minimum' || status.phase === 'rejected') process.exitCode = 1;
}
