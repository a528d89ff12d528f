import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { topicsByBroker, topicsByWriter } from '../../cli/arrival-topics.ts';
import { createTopics } from '../../cli/create-topics.ts';
import type { Finding } from '../../cli/doctor/finding.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { findPgBouncer, startPgBouncer } from '../serving/pgbouncer.ts';
import { runCli } from './run-cli.ts';

const hasPooler = (await findPgBouncer()) !== null;
const TOPIC = `doctor-${process.pid}`;

let database: OwnDatabase;
let folder: string;
let variables: NodeJS.ProcessEnv;
beforeAll(async () => {
  const stack = inject('stack');
  database = await createOwnDatabase(stack.databaseUrl);
  folder = mkdtempSync(join(tmpdir(), 'millrace-doctor-'));
  mkdirSync(join(folder, 'features'));
  writeFileSync(
    join(folder, 'features', 'index.ts'),
    `import { decisions, entity, featureView, labelSet, outcomes, pairs, source } from 'millrace';
import { z } from 'zod';
const of = (name: string, topic: string) => source(name, { schema: z.object({ id: z.string(), at: z.iso.datetime() }), eventTime: 'at', eventId: 'id', topic });
const thing = entity('thing', { id: z.string() });
export const kept = featureView('kept', { entity: thing, source: of('kept_source', '${TOPIC}-kept'), features: (f) => ({ n: f.count() }) });
export const compacted = featureView('compacted', { entity: thing, source: of('compacted_source', '${TOPIC}-compacted'), features: (f) => ({ n: f.count() }) });
export const absent = featureView('absent', { entity: thing, source: of('absent_source', '${TOPIC}-absent'), features: (f) => ({ n: f.count() }) });
export const chosen = decisions('chosen', { context: z.object({ shop: z.string() }), topic: '${TOPIC}-chosen' });
export const came = outcomes('came', { value: z.boolean(), topic: '${TOPIC}-came' });
export const late = labelSet('late_${process.pid}', { decisions: chosen, outcomes: came, value: (_, o) => (o.value ? 1 : 0), matureAfter: '1d', absent: 0 });
export const heard = outcomes('heard', { value: z.boolean(), topic: '${TOPIC}-heard' });
export const told = labelSet('told_${process.pid}', { decisions: chosen, outcomes: heard, value: (_, o) => (o.value ? 1 : 0), matureAfter: '1d', absent: 0 });
export const clicked = featureView('clicked', { entity: thing, source: pairs(late), key: (e) => ({ id: e.decision.action }), features: (f) => ({ n: f.count() }) });
`,
  );
  variables = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: stack.kafkaBrokers.join(','),
    TEMPORAL_ADDRESS: stack.temporalAddress,
    TEMPORAL_NAMESPACE: stack.temporalNamespace,
    MILLRACE_TASK_QUEUE: `nobody-${process.pid}`,
    MILLRACE_FEATURES: join(folder, 'features'),
    MILLRACE_DATA_DIR: join(folder, 'data'),
    MILLRACE_SERVED_SAMPLE: '0',
  };
  const admin = new Kafka({ brokers: [...stack.kafkaBrokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      { topic: `${TOPIC}-kept`, configEntries: [{ name: 'retention.ms', value: '3600000' }] },
      { topic: `${TOPIC}-compacted`, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] },
      { topic: `${TOPIC}-chosen`, configEntries: [{ name: 'cleanup.policy', value: 'compact,delete' }] },
      { topic: `${TOPIC}-came` },
      { topic: `${TOPIC}-heard`, configEntries: [{ name: 'message.timestamp.type', value: 'LogAppendTime' }] },
      { topic: installationNames('sound').modelsTopic, configEntries: [{ name: 'retention.ms', value: '-1' }] },
      { topic: installationNames('losing').modelsTopic, configEntries: [{ name: 'retention.ms', value: '60000' }] },
    ],
  });
  await admin.disconnect();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function examine(more: NodeJS.ProcessEnv = {}): Promise<{ exitCode: number | null; findings: Finding[] }> {
  const { exitCode, stdout } = await runCli(['doctor', '--json'], { ...variables, ...more });
  return { exitCode, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

/** What was found of an area, each as `level: found`. */
function of(area: string, findings: readonly Finding[]): string[] {
  return findings.filter((one) => one.area === area).map(({ level, found }) => `${level}: ${found}`);
}

describe('millrace doctor', () => {
  it('says what is wrong with topics, and what with a database that was not migrated', async () => {
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(1);
    expect(of('migrations', findings)).toEqual([expect.stringMatching(/^fail: 0001-catalog, .* have not run$/)]);
    expect(of(`topic ${TOPIC}-absent`, findings)).toEqual([
      'fail: of source absent_source: there is none, or none that this user may see',
    ]);
    expect(of(`topic ${TOPIC}-compacted`, findings)).toEqual([
      expect.stringMatching(/^ok: of source compacted_source: 1 partition\(s\), 1 replica\(s\), kept for ever$/),
      'fail: cleanup.policy is compact: events are replaced by later ones of their key',
      expect.stringMatching(/^warn: one replica/),
    ]);
    expect(of(`topic ${TOPIC}-kept`, findings)).toEqual([
      expect.stringMatching(/kept 1\.0 h$/),
      expect.stringMatching(/^warn: one replica/),
      expect.stringMatching(/^warn: records are deleted after 1\.0 h/),
    ]);
    expect(of('workers', findings)).toHaveLength(4);
    expect(of('workers', findings).every((found) => found.startsWith('warn: none took'))).toBe(true);
    expect(of('clocks', findings)).toEqual([expect.stringMatching(/^ok: the server's clock is \d+ ms/)]);
    for (const { level, remedy } of findings) expect(remedy === null).toBe(level === 'ok' || level === 'none');
  });

  it('finds nothing in topics of outcomes that "dev" makes: whatever time its writer says, a record is as old as it came', async () => {
    const { sources, labelSets } = await loadDefinitions(join(folder, 'features'));
    const made = topicsByBroker({ sources, labelSets });
    expect([...made].toSorted()).toEqual([`${TOPIC}-came`, `${TOPIC}-chosen`, `${TOPIC}-heard`]);
    const kafka = { brokers: inject('stack').kafkaBrokers };
    const [late, other] = [`${TOPIC}-late`, `${TOPIC}-other`];
    expect(await createTopics(kafka, [late, other], 1, new Set([late]))).toEqual([late, other]);
    expect(await topicsByWriter(kafka, [late, other, `${TOPIC}-nowhere`])).toEqual([other]);
    const writer = createKafkaLogWriter({ ...kafka, clientId: 'test' });
    const reader = createKafkaLogReader({ ...kafka, clientId: 'test' });
    const heldBackMs = Date.UTC(2001, 5, 1);
    const timeOn = async (topic: string): Promise<number> => {
      await writer.send(topic, [{ key: null, value: Buffer.from('{}'), timestampMs: heldBackMs }]);
      for await (const { records } of reader.read({ topic, positions: new Map([[0, 0]]) }))
        if (records[0] !== undefined) return records[0].timestampUs / 1000;
      throw new Error('nothing came');
    };
    try {
      expect(await timeOn(other)).toBe(heldBackMs);
      expect(await timeOn(late)).toBeGreaterThan(Date.UTC(2020, 0));
    } finally {
      await Promise.all([writer.close(), reader.close()]);
    }
  });

  it('looks at the topics of decisions, outcomes, their pairs and models', async () => {
    const { findings } = await examine();
    expect(of(`topic ${TOPIC}-chosen`, findings)).toContain(
      'fail: cleanup.policy is compact,delete: events are replaced by later ones of their key',
    );
    const name = `late_${process.pid}`;
    const held = `message.timestamp.type is CreateTime: an outcome that its application held back is as old as it says, and may change what label set ${name} told before it came`;
    expect(of(`topic ${TOPIC}-came`, findings)).toContain(`warn: ${held}`);
    expect(of(`topic ${TOPIC}-heard`, findings).join()).not.toContain('CreateTime');
    const replayed = await examine({ MILLRACE_BROKER_CLOCK: join(folder, 'clock') });
    expect(of(`topic ${TOPIC}-came`, replayed.findings).join()).not.toContain('CreateTime');
    const { stderr } = await runCli(['plan'], variables);
    expect(stderr).toContain(`warning: topic ${TOPIC}-came: ${held}`);
    expect(stderr).toContain(`--topic ${TOPIC}-came --add-config message.timestamp.type=LogAppendTime`);
    expect(stderr).not.toContain(`warning: topic ${TOPIC}-heard`);
    const pairs = findings.filter(
      ({ area }) => area === `topic ${installationNames().pairsTopic(`late_${process.pid}`)}`,
    );
    expect(pairs).toMatchObject([
      { level: 'fail', remedy: expect.stringContaining('millrace pairs LABELSET') as string },
    ]);
    const ofModels = async (installation: string): Promise<string[]> =>
      of(
        `topic ${installationNames(installation).modelsTopic}`,
        (await examine({ MILLRACE_INSTALLATION: installation })).findings,
      );
    expect(await ofModels('sound')).toEqual(['ok: of models: nothing of it ever goes']);
    expect(await ofModels('modelless')).toEqual([
      'none: of models: there is none yet; whoever publishes the first model makes it',
    ]);
    expect(await ofModels('losing')).toEqual([
      expect.stringMatching(
        /^fail: model-topic-unfit: topic millrace\.losing\.models has retention\.ms=60000 \(expected -1\)/,
      ),
    ]);
  });

  it('says what records were lost to the archive, and which rights a user has', async () => {
    await migrateToLatest(database.pool);
    await database.pool.query(
      "INSERT INTO millrace_catalog.archive_hole (source, topic, partition, from_offset, until_offset, reason) VALUES ('kept_source', 't', 0, 10, 25, 'retention')",
    );
    const { findings } = await examine();
    expect(of('migrations', findings)).toEqual(['ok: all have run']);
    expect(of('archive', findings)).toContain(
      'warn: kept_source: 15 offsets in 1 holes were deleted before they were archived',
    );
    expect(of('rights', findings)[0]).toBe('ok: this user may do what an owner needs');
    const { stdout } = await runCli(['doctor'], variables);
    expect(stdout).toMatch(/FAIL[^]*→ Correct the name, or make it: kafka-topics\.sh [^]*to mend, \d+ to look at/);
  });

  it('looks at the rest where a service does not answer, or is not named', async () => {
    const { exitCode, findings } = await examine({
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      KAFKA_BROKERS: undefined,
    });
    expect(exitCode).toBe(1);
    expect(of('postgres', findings)).toEqual([expect.stringMatching(/^fail: service-unreachable/)]);
    expect(of('kafka', findings)).toEqual(['none: not looked at: KAFKA_BROKERS is not set']);
    expect(of('temporal', findings)).toEqual([expect.stringMatching(/^ok: Temporal /)]);
  });

  it.skipIf(!existsSync('/dev/shm'))('names a spill folder that cannot be used, or is memory', async () => {
    const { findings } = await examine({ MILLRACE_SPILL_DIR: '/dev/shm/spill' });
    expect(of('spill folder', findings)).toEqual([
      'fail: /dev/shm/spill is memory itself: what spills there is not out of it',
    ]);
  });

  it.skipIf(!hasPooler)('measures what a pooler costs', async () => {
    const pooler = await startPgBouncer(database.url);
    try {
      const { findings } = await examine({
        DATABASE_URL: pooler.url,
        DATABASE_DIRECT_URL: database.url,
        MILLRACE_PG_POOLED: '1',
      });
      expect(of('pooler', findings)).toEqual([
        expect.stringMatching(/^ok: a look-up takes \d+ µs through the pooler, \d+ µs without$/),
      ]);
    } finally {
      await pooler.stop();
    }
  });
});
