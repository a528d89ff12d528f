import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { readApiSettings } from '../../config/api-settings.ts';
import { checkReachable } from '../../config/reachability.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { refuseUnfitDatabase } from '../../engine/postgres/fit-database.ts';
import { isLoopback } from '../../serving/access/open-access.ts';
import { apiLog } from '../../serving/api-log.ts';
import { startApi } from '../../serving/start-api.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { existingTopics } from '../create-topics.ts';
import { neededServices } from '../services.ts';

interface ServeOptions extends CommonOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

const PORT = 8080;

/** `millrace serve`: the HTTP API alone, until it is told to stop. */
export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('the HTTP API alone: feature values for model services, by the environment (docs/serve.md)')
    .option('--host <host>', 'where to listen (default: MILLRACE_API_HOST, else 127.0.0.1)')
    .option('--port <port>', `its port, 0 for a free one (default: MILLRACE_API_PORT, else ${PORT})`, portOf);
  withCommonOptions(command).action(async (options: ServeOptions) => {
    const { env, output, features } = contextOf(options);
    const log = apiLog(env.logLevel);
    // People read sentences, and all else reads lines of JSON.
    const say = process.stderr.isTTY ? output.note.bind(output) : log.info.bind(log);
    const settings = readApiSettings(env.variables);
    const host = options.host ?? settings.host;
    const auth = settings.auth ?? (isLoopback(host) ? 'open' : 'tokens');
    const ended = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ended.abort());
    const databaseUrl = env.databaseUrl ?? (await neededServices(env, ['databaseUrl'], 'any')).databaseUrl;
    await checkReachable({ databaseUrl });
    await refuseUnfitDatabase(databaseUrl, 'reads', env.installation, env.isPooled);
    const definitions = await loadDefinitions(features);
    const { kafka, servedTopic: topic, servedSample: sample } = env;
    const logs = kafka !== null && (sample > 0 || [...definitions.services.values()].some(isLogged));
    const isLogging = logs && (await existingTopics(kafka)).has(topic);
    if (logs && !isLogging) say(`serving log: off, for there is no topic ${topic}`);
    const api = await startApi({
      databaseUrl,
      pooled: env.isPooled,
      installation: env.installation,
      definitions,
      bundleKeys: env.bundleKeys,
      logLevel: env.logLevel,
      host,
      port: options.port ?? env.apiPort ?? PORT,
      access: {
        auth,
        jwt: settings.jwt ?? undefined,
        perCaller: auth === 'tokens' ? settings.perCaller : {},
        perProcess: {
          entitiesPerS: settings.perProcess.entitiesPerS ?? undefined,
          bytesPerS: settings.perProcess.bytesPerS ?? undefined,
        },
      },
      tls: settings.tls ?? undefined,
      workflows: env.temporal ?? undefined,
      ...(kafka === null ? {} : { consoleLog: { kafka, servedTopic: topic } }),
      ...(isLogging ? { servingLog: { kafka, topic, sample } } : {}),
      ...(kafka === null ? {} : { decisions: { kafka, installation: env.installation.name } }),
      ...(kafka === null ? {} : { models: { kafka, archiveDir: env.archiveDir } }),
    });
    const who = auth === 'tokens' ? 'those with a token' : 'everybody who reaches it';
    if (output.isJson) output.json({ api: api.url, auth, servingLog: isLogging });
    else
      output.line(
        `${api.url} answers ${who}; ${api.url}/console shows it to people, ${api.url}/openapi.json to programs; Ctrl-C stops it`,
      );
    if (!ended.signal.aborted) await once(ended.signal, 'abort');
    say('stopping');
    await api.close();
    say('stopped');
  });
}

function isLogged({ servingLog }: { readonly servingLog?: number | undefined }): boolean {
  return (servingLog ?? 0) > 0;
}

function portOf(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError('expected a port, 0 to 65535');
  return value;
}
