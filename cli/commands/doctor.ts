import type { Command } from 'commander';
import { checkReachable } from '../../config/reachability.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { topicsOfOutcomes } from '../arrival-topics.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { checkKafka, checkModelTopic, type NamedTopic } from '../doctor/check-kafka.ts';
import { checkMachine } from '../doctor/check-machine.ts';
import { checkPooler, checkPostgres } from '../doctor/check-postgres.ts';
import { checkTemporal } from '../doctor/check-temporal.ts';
import { fine, type Finding, findingsOf, type Level, skipped } from '../doctor/finding.ts';
import { knownServices } from '../services.ts';

const MARK: Readonly<Record<Level, string>> = { ok: 'ok', warn: 'WARN', fail: 'FAIL', none: '-' };

/** `millrace doctor`: what is wrong, or soon will be, and what to do about it. */
export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'look at services, rights, topics, folders and clocks; say what is wrong and what to do (exit 1 if anything fails)',
    );
  withCommonOptions(command).action(async (options: CommonOptions) => {
    const { env, features, output } = contextOf(options);
    const { databaseUrl, kafka, temporal } = knownServices(env);
    output.progress('looking');
    const definitions = await findingsAndTopics(
      features,
      env.servedSample > 0 ? env.servedTopic : null,
      env.brokerClockFile !== null,
    );
    const { name, schemas } = env.installation;
    const queue = taskQueueOf(env.variables);
    const groups = await Promise.all([
      Promise.resolve([fine('installation', `${name}: SQL views in schema ${schemas.surface}, task queue ${queue}`)]),
      findingsOf('machine', () => Promise.resolve(checkMachine(env))),
      Promise.resolve(definitions.findings),
      databaseUrl === null
        ? [skipped('postgres', 'not looked at: DATABASE_URL is not set')]
        : findingsOf('postgres', async () => {
            await checkReachable({ databaseUrl });
            return checkPostgres(databaseUrl, env.installation, () => systemClock.nowUs() / 1000);
          }),
      databaseUrl === null || env.databaseUrl === null || !env.isPooled
        ? []
        : findingsOf('pooler', () => checkPooler(env.databaseUrl ?? databaseUrl, databaseUrl, env.installation)),
      kafka === null
        ? [skipped('kafka', 'not looked at: KAFKA_BROKERS is not set')]
        : findingsOf('kafka', async () => {
            await checkReachable({ kafka });
            const { modelsTopic } = env.installation;
            const ofModels = findingsOf(`topic ${modelsTopic}`, () => checkModelTopic(kafka, modelsTopic));
            return [...(await checkKafka(kafka, definitions.topics)), ...(await ofModels)];
          }),
      temporal === null
        ? [skipped('temporal', 'not looked at: TEMPORAL_ADDRESS is not set')]
        : findingsOf('temporal', async () => {
            await checkReachable({ temporal });
            return checkTemporal(temporal, queue);
          }),
    ]);
    const findings = groups.flat();
    const fails = findings.filter(({ level }) => level === 'fail').length;
    const warns = findings.filter(({ level }) => level === 'warn').length;
    if (fails > 0) process.exitCode = 1;
    if (output.isJson) return output.json({ fails, warns, findings });
    output.table(
      ['area', '', 'found'],
      findings.map(({ area, level, found, remedy }) => [
        area,
        MARK[level],
        remedy === null ? found : `${found}\n→ ${remedy}`,
      ]),
    );
    output.line(`${fails} to mend, ${warns} to look at`);
  });
}

async function findingsAndTopics(
  features: string,
  servedTopic: string | null,
  isReplayed: boolean,
): Promise<{ readonly findings: readonly Finding[]; readonly topics: readonly NamedTopic[] }> {
  const topics: NamedTopic[] = servedTopic === null ? [] : [{ topic: servedTopic, of: 'the serving log' }];
  const findings = await findingsOf('definitions', async () => {
    const { views, sources, labelSets, folder } = await loadDefinitions(features);
    const ofOutcomes = isReplayed ? new Map<string, string[]>() : topicsOfOutcomes(labelSets.values());
    for (const { name, topic, says } of sources.values()) {
      if (topic === null) continue;
      const sets = ofOutcomes.get(topic) ?? (says === 'outcomes' && !isReplayed ? [] : undefined);
      topics.push({ topic, of: `source ${name}`, labelSets: sets });
    }
    return [fine('definitions', `${views.size} view(s) in ${folder}`)];
  });
  return { findings, topics };
}
