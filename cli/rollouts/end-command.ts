import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { type Command, Option } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { announceModel } from '../../engine/models/announce-model.ts';
import { modelName } from '../../engine/models/model-name.ts';
import { type Rollout, rolloutOf } from '../../engine/postgres/rollouts.ts';
import { unknownRollout } from '../../engine/rollouts/rollout-errors.ts';
import { endRollout, promoteRollout } from '../../engine/rollouts/steer-rollouts.ts';
import { kafkaNotConfigured } from '../../engine/topic/topic-errors.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { withSteering } from '../models/model-places.ts';
import { neededServices } from '../services.ts';
import { namesOf, withTemporal } from '../with-temporal.ts';

interface EndOptions extends CommonOptions {
  readonly reason: string;
  readonly to: 'against' | 'candidate';
  readonly dryRun?: boolean;
}

/** `millrace rollout end MODEL`: of a rollout whose workflow is not there any more. */
export function addRolloutEnd(parent: Command): void {
  const command = parent
    .command('end')
    .argument('<model>')
    .description(
      'end a rollout whose workflow is not there any more, as after it was terminated: its row is open still',
    )
    .requiredOption('--reason <text>', 'why, as its course is to say')
    .addOption(
      new Option(
        '--to <variant>',
        'who decides from then on: against, whatever the champion is; candidate, which becomes it',
      )
        .choices(['against', 'candidate'])
        .default('against'),
    )
    .option('--dry-run', 'say what would be done, and do nothing');
  withCommonOptions(command).action(async (name: string, options: EndOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const why = options.reason.trim();
    if (why === '')
      throw new MillraceError('bad-options', '--reason: expected why the rollout is ended, received nothing', {
        remedy: 'Say it in a few words: whoever reads its course is to know.',
      });
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, (client) => refuseRunning(client, model));
    await withSteering(env, async ({ pool, writer, topic }) => {
      const open = await rolloutOf(pool, model);
      if (open === null) throw unknownRollout(`open rollout of model "${model}"`);
      if (options.dryRun === true) {
        if (output.isJson) return output.json({ dryRun: true, to: options.to, rollout: open });
        return output.line(`would end ${text(open)}; ${consequence(open, options.to)}`);
      }
      const said = { pool, id: open.id, actor: actorName(), why };
      const ended =
        options.to === 'candidate' ? await promoteRollout(said) : await endRollout({ ...said, phase: 'stopped' });
      const unannounced =
        writer === null
          ? kafkaNotConfigured('applications are to be told')
          : await announceModel({ writer, topic, clock: systemClock, model });
      if (output.isJson) return output.json({ to: options.to, rollout: ended, announced: unannounced === null });
      output.line(`ended ${text(open)}: ${ended.phase}; ${consequence(open, options.to)}`);
      if (unannounced !== null) output.note(`not announced (${unannounced.message}): applications find it within 15 s`);
    });
  });
}

/** Throws `rollout-runs` where a workflow has it in hand. */
async function refuseRunning(client: Client, model: string): Promise<void> {
  const workflowId = namesOf(client).rolloutId(model);
  try {
    const { status } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING' && status.name !== 'PAUSED') return;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return;
    throw error;
  }
  throw new MillraceError('rollout-runs', `model "${model}": the workflow of its rollout runs (${workflowId})`, {
    remedy: `Let the workflow end it: millrace rollout return ${model}, or millrace rollout finish ${model}. Where no worker takes that, start one, or terminate the workflow first.`,
    httpStatus: 409,
    details: { workflowId },
  });
}

function text({ model, id, stage }: Rollout): string {
  return `rollout "${id}" of ${model}, which is open at stage ${stage + 1}`;
}

function consequence({ variants }: Rollout, to: EndOptions['to']): string {
  const version = variants.find(({ variant }) => variant === 'candidate')?.version;
  return to === 'candidate'
    ? `version ${version}, the candidate, is the champion then, and everyone has it`
    : 'everyone has the champion then';
}
