import { type Client, QueryNotRegisteredError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { MONITOR_CLOCKS, type MonitorClock } from '../../engine/alerts/monitor-time.ts';
import { grpcFailure } from '../../config/temporal-error.ts';
import {
  type MonitorsInput,
  type MonitorsStatus,
  monitorsStatusQuery,
  monitorsWorkflowId,
} from '../../workflows/watch-monitors/contract.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { createTopics } from '../create-topics.ts';
import { updateWorkflow } from '../lifecycle-client.ts';
import { noteElsewhere } from '../note-event.ts';
import type { Output } from '../output.ts';
import { neededServices } from '../services.ts';
import { withTemporal, workflowUrl } from '../with-temporal.ts';

const ANSWER_WITHIN_MS = 3_000;
/** Events of alerts are few, and in order per alert. */
const PARTITIONS = 1;

interface StartOptions extends CommonOptions {
  readonly clock: MonitorClock;
  readonly everySeconds?: number;
  readonly watchFrom?: string;
}

/** `millrace monitor start|stop`. */
export function addRunning(parent: Command): void {
  const starting = parent
    .command('start')
    .description(
      'evaluate the monitors each minute, for ever. Harmless when it runs already: then it says how it stands.',
    )
    .addOption(
      new Option('--clock <by>', 'wall where sources are live, watermark while they replay')
        .choices(MONITOR_CLOCKS)
        .default('wall'),
    )
    .option('--every-seconds <n>', 'how often what is due is looked for; default 60', wholeNumber)
    .option('--watch-from <time>', 'the first time ever: hours before are learnt from, and raise nothing; default now');
  withCommonOptions(starting).action(async (options: StartOptions) => {
    const { env, output } = contextOf(options);
    const { temporal, kafka } = await neededServices(env, ['temporal', 'kafka']);
    const taskQueue = taskQueueOf(env.variables);
    const workflowId = monitorsWorkflowId(taskQueue);
    const topic = env.installation.alertsTopic;
    const made = await createTopics(kafka, [topic], PARTITIONS);
    if (made.length > 0) output.note(`kafka: made ${topic}`);
    const { clock, everySeconds, watchFrom } = options;
    const input: MonitorsInput = { clock, everySeconds, watchFrom };
    await withTemporal(temporal, env.installation, async (client) => {
      const started = await startMonitors(client, taskQueue, input);
      const url = workflowUrl(temporal, workflowId);
      output.note(`monitors: ${started ? 'started' : 'run already'} · ${url}`);
      const status = started ? null : await queryMonitors(client, taskQueue);
      if (output.isJson) return output.json({ started, workflowId, topic, url, status });
      if (status !== null) printStatus(output, status);
    });
  });
  const stopping = parent
    .command('stop')
    .description('end the evaluation of monitors; started again, it goes on where it stopped');
  withCommonOptions(stopping).action(async (options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const { temporal } = await neededServices(env, ['temporal']);
    const taskQueue = taskQueueOf(env.variables);
    const status = await withTemporal(temporal, env.installation, (client) => stopMonitors(client, taskQueue));
    await noteElsewhere(env, output, { action: 'monitor stop', subject: null, input: {}, result: {} });
    if (output.isJson) return output.json(status);
    printStatus(output, status);
  });
}

/** False when it runs already: starting twice is harmless. */
async function startMonitors(client: Client, taskQueue: string, input: MonitorsInput): Promise<boolean> {
  try {
    await client.workflow.start('watchMonitors', {
      workflowId: monitorsWorkflowId(taskQueue),
      taskQueue,
      args: [input],
      staticSummary: 'monitors',
      memo: { actor: actorName() },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Null when no worker answers in time. */
async function queryMonitors(client: Client, taskQueue: string): Promise<MonitorsStatus | null> {
  const handle = client.workflow.getHandle(monitorsWorkflowId(taskQueue));
  try {
    return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => handle.query(monitorsStatusQuery));
  } catch (error) {
    if (error instanceof QueryNotRegisteredError || grpcFailure(error) !== null) return null;
    throw error;
  }
}

async function stopMonitors(client: Client, taskQueue: string): Promise<MonitorsStatus> {
  const workflowId = monitorsWorkflowId(taskQueue);
  return await updateWorkflow<MonitorsStatus>(
    client,
    workflowId,
    'stop',
    () =>
      new MillraceError('monitors-not-started', `nobody evaluates the monitors (workflow id ${workflowId})`, {
        remedy: 'Start it: millrace monitor start',
        httpStatus: 404,
      }),
  );
}

function printStatus(output: Output, { phase, now, buckets, openCount, error }: MonitorsStatus): void {
  output.line(`monitors: ${phase}, until ${now ?? 'nothing was told'}; ${buckets} buckets, ${openCount} open alerts`);
  if (error !== null) output.line(`error ${error.code}: ${error.message}\n  ${error.remedy}`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
