import { type Command, InvalidArgumentError } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type PairsFigures, pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { PAIRS_COMMAND_DESCRIPTIONS, PAIRS_COMMANDS, pairsWorkflowId } from '../../workflows/join-pairs/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { createTopics } from '../create-topics.ts';
import { count } from '../output.ts';
import { queryPairs, sendPairsCommand, startPairs } from '../pairs-client.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

interface PairsCommandOptions
  extends CommonOptions,
    Readonly<Partial<Record<(typeof PAIRS_COMMANDS)[number], boolean>>> {
  readonly partitions: number;
  readonly sliceSeconds?: number | undefined;
}

/** `millrace pairs LABELSET`. */
export function addPairsCommand(program: Command): void {
  const command = program
    .command('pairs')
    .argument('<labelset>')
    .description(
      'join the decisions and outcomes of a label set into pairs on a topic, for ever. Harmless when it runs already: then it says how they stand.',
    )
    .option('--partitions <n>', 'of the topic of pairs, where it is to be made', wholeNumber, 6)
    .option('--slice-seconds <n>', 'how long one activity joins', wholeNumber);
  for (const name of PAIRS_COMMANDS) command.option(`--${name}`, PAIRS_COMMAND_DESCRIPTIONS[name]);
  withCommonOptions(command).action(async (labelSet: string, options: PairsCommandOptions) => {
    const { env, output } = contextOf(options);
    const asked = PAIRS_COMMANDS.filter((name) => options[name] === true);
    if (asked.length > 1) {
      throw new MillraceError('bad-options', `--${asked.join(' and --')} exclude each other`, {
        remedy: 'Give one of them.',
      });
    }
    const [steer] = asked;
    const { temporal, kafka, databaseUrl } = await neededServices(env, ['temporal', 'kafka', 'databaseUrl']);
    const taskQueue = taskQueueOf(env.variables);
    const workflowId = pairsWorkflowId(labelSet, taskQueue);
    await withTemporal(temporal, env.installation, async (client) => {
      if (steer !== undefined) {
        const status = await sendPairsCommand(client, labelSet, taskQueue, steer);
        if (output.isJson) return output.json(status);
        output.line(`pairs of ${labelSet}: ${status.phase}`);
        if (status.accepts.length > 0) output.line(`next: ${status.accepts.map((name) => `--${name}`).join(', ')}`);
        return;
      }
      const topic = env.installation.pairsTopic(labelSet);
      const made = await createTopics(kafka, [topic], options.partitions);
      if (made.length > 0) output.note(`kafka: made ${topic}`);
      const { sliceSeconds } = options;
      const given = sliceSeconds === undefined ? undefined : { sliceSeconds };
      const started = await startPairs(client, labelSet, taskQueue, given);
      const url = workflowUrl(temporal, workflowId);
      output.note(`pairs of ${labelSet}: ${started ? 'started' : 'runs already'} · ${url}`);
      const status = started ? null : await queryPairs(client, labelSet, taskQueue);
      const pool = createPool(databaseUrl, {
        max: 1,
        applicationName: 'millrace-pairs',
        installation: env.installation,
      });
      try {
        const { figures } = await pairsStatus(pool, labelSet, topic);
        if (output.isJson) return output.json({ labelSet, topic, started, workflowId, url, figures, status });
        if (status !== null) output.line(`pairs of ${labelSet}: ${status.phase}`);
        for (const line of figuresLines(figures)) output.line(line);
        if (status?.error != null)
          output.line(`error ${status.error.code}: ${status.error.message}\n  ${status.error.remedy}`);
      } finally {
        await pool.end();
      }
    });
  });
}

function figuresLines({ pairs, tooLarge, outbox, ...sides }: PairsFigures): string[] {
  const { lag, held, unpaired, late, invalid, nullKey } = sides;
  const ofSide = (side: 'decisions' | 'outcomes'): string =>
    `${side}: ${count(lag[side])} behind, ${count(held[side])} held, ${count(unpaired[side])} given up unpaired, ` +
    `${count(late[side])} too late, ${count(invalid[side])} invalid, ${count(nullKey[side])} without a key`;
  const large = tooLarge === 0 ? '' : `, ${count(tooLarge)} too large`;
  return [
    `${count(pairs)} pairs, ${count(outbox)} waiting to be sent${large}`,
    ofSide('decisions'),
    ofSide('outcomes'),
  ];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
