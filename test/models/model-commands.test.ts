/** `millrace model`, over the real services. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { type Admin, ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { ModelFollower } from '../../engine/models/model-follower.ts';
import { CHUNK_BYTES } from '../../engine/models/model-record.ts';
import { modelVersions } from '../../engine/postgres/model-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { CliRun, type CliResult, runCli } from '../cli/run-cli.ts';
import { manifestOf, openWorldOf, type ModelWorld, TAGS } from './model-world.ts';

const { kafkaBrokers, databaseUrl } = inject('stack');
/** A topic of its own. */
const names = installationNames(`m${randomUUID().slice(0, 8)}`);
let world: ModelWorld;
let admin: Admin;
let folder: string;
let variables: NodeJS.ProcessEnv;
beforeAll(async () => {
  world = await openWorldOf(databaseUrl, names);
  folder = await mkdtemp(join(tmpdir(), 'millrace-model-cli-'));
  admin = new Kafka({ clientId: 'test', brokers: [...kafkaBrokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await writeFile(join(folder, 'train.manifest.json'), JSON.stringify(manifestOf()));
  await writeFile(join(folder, 'metrics.json'), JSON.stringify({ logLoss: 0.41234567 }));
  variables = {
    DATABASE_URL: world.database.url,
    KAFKA_BROKERS: kafkaBrokers.join(','),
    MILLRACE_INSTALLATION: names.name,
    MILLRACE_ARCHIVE_DIR: join(folder, 'archive'),
    MILLRACE_ACTOR: 'ana',
  };
});
afterAll(async () => {
  await admin.disconnect();
  await world.close();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(['model', ...args], variables);
async function json(...args: string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await run(...args, '--json');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return JSON.parse(stdout);
}
const file = async (bytes: Uint8Array): Promise<string> => {
  const path = join(folder, randomUUID());
  await writeFile(path, bytes);
  return path;
};
const given = (path: string): string[] =>
  ['--file', path, '--service', 'delay_model'].concat(
    ['--trained-on', join(folder, 'train.manifest.json')],
    ['--metrics', join(folder, 'metrics.json')],
  );
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

it('publishes, lists, shows, compares, fetches, goes back and heals; applications follow', async () => {
  const one = randomBytes(CHUNK_BYTES + 10);
  const two = Buffer.from('{"weights": [1, 2]}');
  expect(await json('publish', 'late', ...given(await file(one)), '--dry-run')).toMatchObject({
    sha256: sha256(one),
    features: { route_delays: TAGS },
    changes: [],
    same_as: null,
  });
  expect(await modelVersions(world.pool)).toEqual([]);
  const first = await run('publish', 'late', ...given(await file(one)));
  expect(first).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('champion is version 1 now') as string });
  expect(first.stderr).toContain('hashed: 0 of 524,298 bytes');
  const [topic] = (await admin.fetchTopicMetadata({ topics: [names.modelsTopic] })).topics;
  expect(topic?.partitions).toHaveLength(1);

  const late = new ModelFollower({
    model: 'late',
    decode: (bytes) => sha256(bytes),
    pool: world.pool,
    places: { reader: createKafkaLogReader({ brokers: kafkaBrokers, clientId: 'app' }), archiveDir: null },
    topic: names.modelsTopic,
    clock: systemClock,
    // By announcements alone.
    untilNextLook: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  });
  await late.start();
  expect(late.current).toMatchObject({ version: 1, value: sha256(one), metrics: { logLoss: 0.41234567 } });
  expect(await json('publish', 'late', ...given(await file(two)), '--as', 'challenger')).toMatchObject({
    version: 2,
    isNew: true,
    announced: true,
  });
  expect(await json('alias', 'late', 'champion', '2')).toMatchObject({ version: 2, before: 1, announced: true });
  await vi.waitFor(() => expect(late.current.value).toBe(sha256(two)), 60_000);

  expect(await json('list')).toMatchObject([
    { model: 'late', version: 2, aliases: ['challenger', 'champion'], size_bytes: two.length, actor: 'ana' },
    { model: 'late', version: 1, aliases: [], state: 'published' },
  ]);
  expect((await run('list', 'late')).stdout).toContain('logLoss 0.412346');
  expect(await json('show', 'late', '--version', '1')).toMatchObject({
    lineage: { rows: 10, labels: ['late'], cuts: { flights: null } },
    signature: { features: [{ column: 'route_delays__flights_1d' }, {}] },
    place: { topic: names.modelsTopic, chunks: 2 },
    changes: [],
  });
  expect((await run('show', 'late')).stdout).toContain('as it was trained on');
  expect(await json('diff', 'late', '1', '2')).toMatchObject({
    differences: [
      { what: 'file', before: sha256(one), after: sha256(two) },
      { what: 'bytes', before: one.length, after: two.length },
    ],
  });
  expect((await run('diff', 'late')).stdout).toContain('differ in nothing');
  const out = join(folder, 'fetched');
  await json('fetch', 'late', '--version', '1', '--out', out);
  expect(await readFile(out)).toEqual(one);
  expect((await run('fetch', 'late', '--out', out)).exitCode).toBe(1);

  expect(await json('rollback', 'late')).toMatchObject({ alias: 'champion', version: 1, before: 2 });
  await vi.waitFor(() => expect(late.current.value).toBe(sha256(one)), 60_000);
  const events = await runCli(['events', '--view', 'late', '--json'], variables);
  expect(
    (JSON.parse(events.stdout) as { action: string; actor: string }[]).map(
      (event) => `${event.actor}: ${event.action}`,
    ),
  ).toEqual(['ana: model rollback', 'ana: model alias', 'ana: model publish', 'ana: model publish']);

  // The topic loses its head: who has the archive reads on, and puts it back.
  await admin.deleteTopicRecords({ topic: names.modelsTopic, partitions: [{ partition: 0, offset: '1' }] });
  expect(await json('fetch', 'late', '--version', '1', '--out', join(folder, 'healed'))).toMatchObject({ version: 1 });
  expect(await json('heal')).toMatchObject([
    { version: 2, outcome: 'whole' },
    { version: 1, outcome: 'sent' },
  ]);
  await late.close();
  const [, moved] = await modelVersions(world.pool, 'late');
  expect(moved).toMatchObject({ version: 1, state: 'published' });
  expect(await json('heal', 'late')).toMatchObject([{ outcome: 'whole' }, { outcome: 'whole' }]);
});

it('goes back while Kafka is away, and where none is known; says that metrics of a version stay', async () => {
  const [one, two] = [await file(Buffer.from('one')), await file(Buffer.from('two'))];
  for (const path of [one, two]) await json('publish', 'away', ...given(path));
  const without = async (brokers: string | undefined, ...args: string[]): Promise<CliResult> =>
    runCli(['model', ...args], { ...variables, KAFKA_BROKERS: brokers, MILLRACE_DATA_DIR: folder });
  const back = await without('127.0.0.1:1', 'rollback', 'away', '--json');
  expect({ ...back, stdout: JSON.parse(back.stdout) as unknown }).toMatchObject({
    exitCode: 0,
    stdout: { alias: 'champion', version: 1, before: 2, announced: false },
  });
  const moved = await without(undefined, 'alias', 'away', 'champion', '2');
  expect(moved).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('find it within 15 s') as string });
  expect(await json('list', 'away')).toMatchObject([{ version: 2, aliases: ['champion'] }, { version: 1 }]);
  const others = join(folder, 'other-metrics.json');
  await writeFile(others, JSON.stringify({ logLoss: 0.1 }));
  const again = await run('publish', 'away', ...given(two).slice(0, -1), others);
  expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('keeps the metrics') as string });
  expect((await run('publish', 'away', ...given(two))).stderr).not.toContain('keeps the metrics');
});

it('refuses what it cannot publish, by name', async () => {
  const path = await file(Buffer.from('x'));
  const refused = async (code: string, ...args: string[]): Promise<void> => {
    const { exitCode, stderr } = await run(...args);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(code) as string });
  };
  await refused('invalid-name', 'publish', 'Late Flights', ...given(path));
  await refused('unfit-model-file', 'publish', 'late', ...given(join(folder, 'none')));
  await refused('unknown-model', 'show', 'never');
  await refused('unknown-model', 'rollback', 'never');
  const other = join(folder, 'other.manifest.json');
  await writeFile(other, JSON.stringify(manifestOf({ ...TAGS, flights_1d: '00000000000000ee' })));
  const onOther = [...given(path).slice(0, 4), '--trained-on', other];
  await refused('model-features-changed', 'publish', 'early', ...onOther);
  const published = await run('publish', 'early', ...onOther, '--ahead');
  expect(published).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('applications take it once it is') as string,
  });
  await configure({ 'retention.bytes': '1000000000' });
  await refused('model-topic-unfit', 'publish', 'late', ...given(path));
  await configure({ 'retention.ms': '-1', 'cleanup.policy': 'delete' });
});

/** The settings of the topic that are not the broker's. */
async function configure(settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: names.modelsTopic, configEntries }];
  await admin.alterConfigs({ validateOnly: false, resources });
}

it('killed while it publishes leaves nothing of it to be seen, and does it all the next time', async () => {
  const bytes = randomBytes(CHUNK_BYTES * 100);
  const path = await file(bytes);
  const end = async (): Promise<number> => Number((await admin.fetchTopicOffsets(names.modelsTopic))[0]?.high);
  for (const chunks of [1, 20, 50]) {
    const from = await end();
    const publishing = new CliRun(['model', 'publish', 'killed', ...given(path)], variables);
    await vi.waitFor(async () => expect(await end()).toBeGreaterThanOrEqual(from + chunks), {
      timeout: 60_000,
      interval: 2,
    });
    publishing.kill();
    await publishing.ended;
    for (const version of await modelVersions(world.pool, 'killed')) expect(version.sha256).toBe(sha256(bytes));
  }
  await json('publish', 'killed', ...given(path));
  const out = join(folder, 'whole');
  await json('fetch', 'killed', '--out', out);
  expect(sha256(await readFile(out))).toBe(sha256(bytes));
  expect(await modelVersions(world.pool, 'killed')).toHaveLength(1);
});

it('takes a file of 200 MB in bounded memory', async () => {
  const large = join(folder, 'large');
  const handle = await open(large, 'w');
  const hash = createHash('sha256');
  for (let n = 0; n < 200; n++) {
    const page = Buffer.alloc(2 ** 20, n);
    hash.update(page);
    await handle.writeFile(page);
  }
  await handle.close();
  const { exitCode, stderr } = await runCli(['model', 'publish', 'large', ...given(large)], {
    ...variables,
    NODE_OPTIONS: '--max-old-space-size=96',
  });
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const [version] = await modelVersions(world.pool, 'large');
  expect(version).toMatchObject({ sizeBytes: 200 * 2 ** 20, sha256: hash.digest('hex'), chunks: 400 });
});
