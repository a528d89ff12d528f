import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { shownDatabaseUrl } from '../../engine/postgres/database-url.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import type { DevSession } from '../dev-session.ts';
import type { Output } from '../output.ts';
import { startFormUrl } from '../with-temporal.ts';

interface DevCommandOptions extends CommonOptions {
  readonly reset?: boolean | undefined;
  readonly apiPort?: number | undefined;
  /** Commander's negatable option: undefined unless one of the two is given. */
  readonly createTopics?: boolean | undefined;
  readonly partitions?: number | undefined;
  readonly archive?: boolean | undefined;
}

/** `millrace dev`: services, worker and API, until Ctrl-C. */
export function addDevCommand(program: Command): void {
  const command = program
    .command('dev')
    .description(
      'start (or connect to) Postgres, Kafka and Temporal, a worker and the API; Ctrl-C stops all it started',
    )
    .option('--reset', 'delete the data of the local services first')
    .option('--api-port <port>', 'port of the API (default: MILLRACE_API_PORT, else a free one)', portOf)
    .option('--create-topics', "make the definitions' topics also on a Kafka that the environment names")
    .option('--no-create-topics', 'make no topics, not even on the local Kafka')
    .option('--partitions <n>', 'partitions of topics that are made (default 4)', partitionsOf)
    .option('--no-archive', 'do not archive the topics of the sources, nor the log of what is served');
  withCommonOptions(command).action(async (options: DevCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const ended = new AbortController();
    const end = (): void => ended.abort();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
    // Loaded here alone: no other command knows the local services.
    const { startDevSession } = await import('../dev-session.ts');
    const session = await startDevSession({
      env,
      features,
      reset: options.reset,
      apiPort: options.apiPort,
      createTopics: options.createTopics,
      partitions: options.partitions,
      archive: options.archive,
      onProgress: (line) => output.note(line),
      onServiceLost: (error) => {
        output.error(error);
        process.exitCode = 1;
        end();
      },
      signal: ended.signal,
    });
    print(output, session);
    if (!ended.signal.aborted) await once(ended.signal, 'abort');
    output.note('stopping');
    await session.stop();
    output.note('stopped');
  });
}

function print(
  output: Output,
  { installation, taskQueue, databaseUrl, passwordFile, kafka, temporal, apiUrl, features, views }: DevSession,
): void {
  const startUrl = startFormUrl(temporal, taskQueue);
  if (output.isJson) {
    output.json({
      temporalUi: temporal.uiUrl,
      startForm: startUrl,
      api: apiUrl,
      databaseUrl: shownDatabaseUrl(databaseUrl),
      passwordFile,
      kafkaBrokers: kafka.brokers,
      temporalAddress: temporal.address,
      features,
      views,
    });
    return;
  }
  output.table(
    ['what', 'where'],
    [
      ['Temporal UI', temporal.uiUrl],
      ['start a view', startUrl],
      ['', `workflow id ${installation.lifecycleId(views[0] ?? 'VIEW')}, input {"view":"${views[0] ?? 'VIEW'}"}`],
      ['API', apiUrl],
      ['Console', `${apiUrl}/console`],
      ['OpenAPI', `${apiUrl}/openapi.json`],
      ['Postgres', shownDatabaseUrl(databaseUrl)],
      ...(passwordFile === null ? [] : [['', `PGPASSFILE=${passwordFile} lets psql in`]]),
      ['Kafka', kafka.brokers.join(',')],
      ['Temporal', `${temporal.address}, namespace ${temporal.namespace}`],
      ['definitions', `${features}: ${views.join(', ')}`],
    ],
  );
  output.line('ready; Ctrl-C stops all');
}

function portOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || value > 65_535)
    throw new InvalidArgumentError('expected a port, 0 to 65535');
  return value;
}

function partitionsOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
