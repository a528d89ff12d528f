import { type Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import {
  ARCHIVE_COMMAND_DESCRIPTIONS,
  ARCHIVE_COMMANDS,
  archiveWorkflowId,
} from '../../workflows/archive-source/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { queryArchive, sendArchiveCommand, startArchive } from '../archive-client.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count } from '../output.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface ArchiveCommandOptions
  extends CommonOptions,
    Readonly<Partial<Record<(typeof ARCHIVE_COMMANDS)[number], boolean>>> {
  readonly sliceSeconds?: number | undefined;
}

/** `millrace archive SOURCE`. */
export function addArchiveCommand(program: Command): void {
  const command = program
    .command('archive')
    .argument('<source>', 'a source with a topic, or millrace_served: the log of what is served')
    .description(
      'copy a topic to Parquet for ever, so that its retention limits nothing. Harmless when it runs already.',
    )
    .option('--slice-seconds <n>', 'how long one activity copies before small files are merged', wholeNumber);
  for (const name of ARCHIVE_COMMANDS) command.option(`--${name}`, ARCHIVE_COMMAND_DESCRIPTIONS[name]);
  withCommonOptions(command).action(async (source: string, options: ArchiveCommandOptions) => {
    const { env, output } = contextOf(options);
    const asked = ARCHIVE_COMMANDS.filter((name) => options[name] === true);
    if (asked.length > 1) {
      throw new MillraceError('bad-options', `--${asked.join(' and --')} exclude each other`, {
        remedy: 'Give one of them.',
      });
    }
    const [steer] = asked;
    const { temporal } = await neededServices(env, ['temporal']);
    const taskQueue = taskQueueOf(env.variables);
    const workflowId = archiveWorkflowId(source, taskQueue);
    await withTemporal(temporal, env.installation, async (client) => {
      if (steer !== undefined) {
        const status = await sendArchiveCommand(client, source, taskQueue, steer);
        if (output.isJson) return output.json(status);
        output.line(`archive of ${source}: ${status.phase}`);
        if (status.accepts.length > 0) output.line(`next: ${status.accepts.map((name) => `--${name}`).join(', ')}`);
        return;
      }
      const { sliceSeconds } = options;
      const started = await startArchive(
        client,
        source,
        taskQueue,
        sliceSeconds === undefined ? undefined : { sliceSeconds },
      );
      const url = workflowUrl(temporal, workflowId);
      output.note(`archive of ${source}: ${started ? 'started' : 'runs already'} · ${url}`);
      const status = started ? null : await queryArchive(client, source, taskQueue);
      if (output.isJson) return output.json({ source, started, workflowId, url, status });
      if (status === null) return;
      output.line(`archive of ${source}: ${status.phase}, ${count(status.records)} records copied`);
      if (status.error !== null)
        output.line(`error ${status.error.code}: ${status.error.message}\n  ${status.error.remedy}`);
    });
  });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
