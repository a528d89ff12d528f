import { type Command, InvalidArgumentError, Option } from 'commander';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { followLifecycle } from '../follow-lifecycle.ts';
import { startLifecycle } from '../lifecycle-client.ts';
import { neededServices } from '../services.ts';
import { otherOptions, refuseOtherOptions } from '../running-options.ts';
import { printStatus } from '../print-status.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface StartOptions extends CommonOptions {
  readonly wait?: boolean | undefined;
  readonly shards?: number | undefined;
  readonly sliceSeconds?: number | undefined;
  readonly proofEntities?: number | undefined;
  readonly approval?: 'manual' | 'auto' | undefined;
  readonly autoApproveShare?: number | undefined;
  readonly keepPreviousHours?: number | undefined;
}

/** `millrace start VIEW`. */
export function addStartCommand(program: Command): void {
  const command = program
    .command('start')
    .argument('<view>')
    .description(
      'start a view: validate, backfill, publish. Harmless when it runs already; options that it was not started with are refused.',
    )
    .option('--wait', 'wait until it is published, and show how it goes')
    .option('--shards <n>', 'stream activities to deal the partitions over', wholeNumber)
    .option('--slice-seconds <n>', 'how long one stream activity runs', wholeNumber)
    .option(
      '--proof-entities <n>',
      'entities compared with a backfill before a promoted view streams (default 200,000; 0: none)',
      wholeOrZero,
    )
    .addOption(
      new Option('--approval <who>', 'who approves a version of another definition (default manual)').choices([
        'manual',
        'auto',
      ]),
    )
    .option('--auto-approve-share <x>', 'share of differing cells approved by itself, 0 to 1 (default 0)', number)
    .option(
      '--keep-previous-hours <h>',
      'how long the version before is kept for a rollback (default 24; 0: not at all)',
      number,
    );
  withCommonOptions(command).action(async (view: string, options: StartOptions) => {
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const settings = {
        ...(options.shards === undefined ? {} : { shards: options.shards }),
        ...(options.sliceSeconds === undefined ? {} : { sliceSeconds: options.sliceSeconds }),
        ...(options.proofEntities === undefined ? {} : { proofEntities: options.proofEntities }),
        ...(options.approval === undefined ? {} : { approval: options.approval }),
        ...(options.autoApproveShare === undefined ? {} : { autoApproveShare: options.autoApproveShare }),
        ...(options.keepPreviousHours === undefined ? {} : { keepPreviousHours: options.keepPreviousHours }),
      };
      const started = await startLifecycle(client, view, settings, taskQueueOf(env.variables));
      if (!started) refuseOtherOptions(client, view, await otherOptions(client, view, settings));
      const url = workflowUrl(temporal, env.installation.lifecycleId(view));
      output.note(`${view}: ${started ? 'started' : 'runs already'} · ${url}`);
      if (options.wait === true) printStatus(output, await followLifecycle(client, view, output, ['catching-up']));
      else if (output.isJson) output.json({ view, started, workflowId: env.installation.lifecycleId(view), url });
    });
  });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}

/** Bounds are the lifecycle's to hold: it says what it expects. */
function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

function wholeOrZero(text: string): number {
  return text === '0' ? 0 : wholeNumber(text);
}
