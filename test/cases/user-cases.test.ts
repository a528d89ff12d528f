import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { startApi } from '../../serving/start-api.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { readParquet } from '../training/training-fixture.ts';
import { UserWorld } from './user-world.ts';

const T = '2024-05-01T00:00:00Z';
const MEGABYTE = 1 << 20;
const TIMEOUT_MS = 180_000;
const run = randomUUID().slice(0, 8);
const topicOf = (view: string): string => `${view}-${run}`;

/** A view over a topic alone. */
function streamed(view: string, options = ''): string {
  return `const who_${view} = entity('who_${view}', { id: z.string() });
const s_${view} = source('s_${view}', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), x: z.int(), note: z.string().optional() }),
  eventTime: 'at', topic: '${topicOf(view)}'${options},
});
export const ${view} = featureView('${view}', { entity: who_${view}, source: s_${view}, features: (f) => ({ n: f.count(), x: f.sum('x') }) });
`;
}

/** A view over files alone, and a service of it. */
function filed(view: string, schema: string, history: string, key = 'id: z.string()'): string {
  return `const who_${view} = entity('who_${view}', { ${key} });
const s_${view} = source('s_${view}', { schema: z.object(${schema}), eventTime: 'at', history: ${history} });
export const ${view} = featureView('${view}', { entity: who_${view}, source: s_${view}, features: (f) => ({ n: f.count(), x: f.sum('x') }) });
export const ${view}_service = featureService('${view}_service', [${view}]);
`;
}

const WIDE_VIEWS = Array.from({ length: 45 }, (_, n) => `wide_${n}`);
const WIDE_FEATURES = Array.from({ length: 98 }, (_, n) => `f${n}: f.sum((e) => e.x + ${n}).over('${1 + (n % 7)}d')`);
const wide = `const who_wide = entity('who_wide', { id: z.string() });
const s_wide = source('s_wide', { schema: z.object({ id: z.string(), at: z.iso.datetime(), x: z.int() }), eventTime: 'at', history: { path: 'data/wide/*.csv' } });
${WIDE_VIEWS.map((view) => `export const ${view} = featureView('${view}', { entity: who_wide, source: s_wide, features: (f) => ({ ${WIDE_FEATURES.join(', ')} }) });`).join('\n')}
export const wide_service = featureService('wide_service', [${WIDE_VIEWS.join(', ')}]);
`;

/** Of a compound key one part: every other is null. */
const KEYS = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? 'k' : null));
const ROW = '{ id: z.string(), at: z.iso.datetime(), x: z.int() }';
let world: UserWorld;
let kafka: KafkaFixture;
let duckdb: DuckDb;
beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  world = await UserWorld.open(inject('stack'), {
    first: filed('first', ROW, `{ path: 'data/first/*.csv' }`),
    damaged: filed('damaged', ROW, `{ path: 'data/damaged/*.parquet' }`),
    many: filed(
      'many',
      ROW.replace('id: z.string()', 'id: z.int()'),
      `{ path: 'data/many/*/*/*.parquet', partitions: ['id'] }`,
      'id: z.int()',
    ),
    wide,
    framed: streamed('framed'),
    untimed: streamed('untimed'),
    transacted: streamed('transacted'),
    large: streamed('large', ', invalidLimit: { rate: 1, window: 1000 }'),
    nulls: `const pair = entity('pair', { id: z.string(), k: z.string() });
const s_nulls = source('s_nulls', { schema: z.object({ id: z.string(), k: z.string().nullable(), at: z.iso.datetime(), x: z.int() }), eventTime: 'at', topic: '${topicOf('nulls')}', history: { path: 'data/nulls/*.csv', disjoint: true } });
export const nulls = featureView('nulls', { entity: pair, source: s_nulls, features: (f) => ({ n: f.count(), x: f.sum('x') }) });
`,
  });
  duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(world.folder, 'spill') });
  for (const view of ['framed', 'untimed', 'transacted', 'large', 'nulls']) await kafka.createTopic(topicOf(view), 1);
  const nullKeys = KEYS.map((k, x) => `a,${k ?? ''},${T},${x}\n`);
  world.write('data/nulls/a.csv', `id,k,at,x\n${nullKeys.join('')}`);
  const firstTry = Array.from({ length: 60 }, (_, n) => `u${n},${T},many\n`);
  world.write('data/first/a.csv', `id,at,x\n${firstTry.join('')}`);
  world.write('data/wide/a.csv', `id,at,x\n${Array.from({ length: 10 }, (_, n) => `u${n},${T},${n}\n`).join('')}`);
  world.write(
    'spine.csv',
    `id,event_timestamp\n${Array.from({ length: 10 }, (_, n) => `u${n},2024-05-01T10:00:00Z\n`).join('')}`,
  );
  world.write('numbers.csv', `id,event_timestamp\n7,2024-05-02T00:00:00Z\n59,2024-05-02T00:00:00Z\n`);
  mkdirSync(join(world.folder, 'data/damaged'), { recursive: true });
  for (const name of ['a', 'b', 'c']) {
    const rows = `SELECT '${name}' || md5(i::VARCHAR) AS id, TIMESTAMPTZ '${T}' AS "at", i AS x FROM range(3) r(i)`;
    await duckdb.run(`COPY (${rows}) TO '${world.folder}/data/damaged/${name}.parquet'`);
  }
  const page = readFileSync(join(world.folder, 'data/damaged/b.parquet')).fill(0, 4, 36);
  world.write('data/damaged/b.parquet', page);
  for (let id = 0; id < 60; id++) {
    const at = join(world.folder, `data/many/id=${id}`);
    mkdirSync(at, { recursive: true });
    await duckdb.run(
      `COPY (SELECT TIMESTAMPTZ '${T}' AS "at", i AS x, i // 2 AS part FROM range(100) r(i)) TO '${at}' (FORMAT parquet, PARTITION_BY (part), OVERWRITE_OR_IGNORE)`,
    );
  }
  await world.startWorker(1024);
});
afterAll(async () => {
  await duckdb?.close();
  await kafka?.close();
  await world?.close();
});

const record = (x: number, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ id: 'a', at: T, x, ...more });
async function send(view: string, values: readonly (string | Buffer)[], timestamp?: string): Promise<void> {
  for (const value of values) {
    const message = { partition: 0, value, ...(timestamp === undefined ? {} : { timestamp }) };
    await kafka.producer.send({ topic: topicOf(view), messages: [message] });
  }
}

interface Status {
  readonly phase: string;
  readonly version: number | null;
  readonly lag: number | null;
  readonly deadLetters: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly error: { readonly code: string; readonly message: string; readonly during: string } | null;
}
const statusOf = async (view: string): Promise<Status> => (await world.json('status', view)) as Status;
async function valuesOf(view: string, ...key: readonly string[]): Promise<unknown> {
  return ((await world.json('get', view, ...key)) as { values: unknown }).values;
}
async function ok(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await world.millrace(...args);
  if (exitCode !== 0) throw new Error(`millrace ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** What stands in the database of a view: its versions that are not discarded, and its tables. */
async function leftOf(view: string): Promise<unknown[]> {
  const versions = await world.pool.query(
    `SELECT status FROM millrace_catalog.view_version WHERE view = $1 AND status <> 'discarded'`,
    [view],
  );
  const tables = await world.pool.query(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = 'millrace_state' AND table_name LIKE $1 || '_v%'`,
    [view],
  );
  return [...versions.rows, ...tables.rows];
}

describe('plan', { timeout: TIMEOUT_MS }, () => {
  it('tells what the runs would stop at, of 3,000 small files, 4,410 features and topics nothing, and exits with 1', async () => {
    const { exitCode, stdout } = await world.millrace('plan', '--json');
    const { faults } = JSON.parse(stdout) as { faults: readonly Record<string, string>[] };
    expect(faults.map(({ definition, code, path, message }) => [definition, code, path, message]).toSorted()).toEqual([
      [
        's_damaged',
        'history-unreadable',
        'history.path',
        expect.stringMatching(/data\/damaged\/b\.parquet could not be read/),
      ],
      [
        's_first',
        'too-many-invalid-records',
        'history.path',
        expect.stringMatching(
          /60 of 60 sampled rows are invalid; .*60 × .*a\.csv row 0: x: expected an integer, received "many"/,
        ),
      ],
    ]);
    expect(exitCode).toBe(1);
  });
});

describe('case 52: every row of the first try breaks the contract', { timeout: TIMEOUT_MS }, () => {
  it('nothing is published, written or answered, by that name, and no command exits with 0', async () => {
    const words =
      /60 of 60 records are invalid; allowed: 10 % of a batch.*60 × .*x: expected an integer, received "many"/;
    const started = await world.millrace('start', 'first', '--wait');
    expect([started.exitCode, started.stderr]).toEqual([1, expect.stringMatching(/error too-many-invalid-records: /)]);
    expect(started.stderr).toMatch(words);
    expect(await statusOf('first')).toMatchObject({
      phase: 'failed',
      version: null,
      error: { code: 'too-many-invalid-records', message: expect.stringMatching(words), during: 'backfill' },
    });
    const exported = await world.millrace(
      'export',
      '--service',
      'first_service',
      '--spine',
      'spine.csv',
      '--out',
      'first.parquet',
    );
    expect(exported.exitCode).toBe(1);
    expect(exported.stderr).toMatch(/error too-many-invalid-records: /);
    expect(exported.stderr).toMatch(words);
    expect(world.has('first.parquet')).toBe(false);
    const got = await world.millrace('get', 'first', 'id=u1');
    expect([got.exitCode, got.stderr]).toEqual([1, expect.stringContaining('error unknown-view')]);
    expect(await leftOf('first')).toEqual([]);
  });

  it('what is to stay so can be accepted: the remedy works', async () => {
    await ok('dead-letters', 'accept', 's_first', '--partition', 'history', '--until', '60');
    await ok('retry', 'first', '--wait');
    expect(await statusOf('first')).toMatchObject({
      phase: 'published',
      deadLetters: 60,
      counts: { invalid: 60, applied: 0 },
    });
  });
});

describe('case 10: a damaged page among good files', { timeout: TIMEOUT_MS }, () => {
  it('is named with its file once, is not tried again, and leaves nothing', async () => {
    const words = /error history-unreadable: .*data\/damaged\/b\.parquet could not be read/;
    const started = await world.millrace('start', 'damaged', '--wait');
    expect([started.exitCode, started.stderr]).toEqual([1, expect.stringMatching(words)]);
    const exported = await world.millrace(
      'export',
      '--service',
      'damaged_service',
      '--spine',
      'spine.csv',
      '--out',
      'damaged.parquet',
    );
    expect([exported.exitCode, exported.stderr]).toEqual([1, expect.stringMatching(words)]);
    expect(world.has('damaged.parquet')).toBe(false);
    expect(await leftOf('damaged')).toEqual([]);
    const { rows } = await world.pool.query(`SELECT 1 FROM millrace_catalog.view_version WHERE view = 'damaged'`);
    expect(rows).toHaveLength(1);
  });
});

describe('case 12: 3,000 files of two rows, with 1,024 file handles', { timeout: TIMEOUT_MS }, () => {
  it('are backfilled and exported', async () => {
    expect(await ok('start', 'many', '--wait')).toContain('built from 6,000 rows: 60 entities');
    expect(await valuesOf('many', 'id=7')).toEqual({ n: 100, x: 4950 });
    await ok('export', '--service', 'many_service', '--spine', 'numbers.csv', '--out', 'many.parquet');
    const { rows } = await readParquet(join(world.folder, 'many.parquet'));
    expect(rows.map((row) => [row['many__n'], row['many__x']])).toEqual([
      [100n, 4950n],
      [100n, 4950n],
    ]);
  });
});

describe('case 44: a very wide service', { timeout: TIMEOUT_MS }, () => {
  it('is planned, backfilled, exported with its 4,410 columns, and served', async () => {
    await ok('start', 'wide_7', '--wait');
    const at = '2024-05-01T10:00:00Z';
    const values = (await world.json('get', 'wide_7', 'id=u3', '--at', at)) as { values: Record<string, unknown> };
    const expected = Object.fromEntries(WIDE_FEATURES.map((_, n) => [`f${n}`, 3 + n]));
    expect(values.values).toEqual(expected);
    await ok('export', '--service', 'wide_service', '--spine', 'spine.csv', '--out', 'wide.parquet');
    const { names, rows } = await readParquet(join(world.folder, 'wide.parquet'));
    expect(names).toHaveLength(2 + 45 * 98);
    expect([rows[3]!['wide_0__f0'], rows[3]!['wide_44__f97']]).toEqual([3, 100]);
    const api = await startApi({
      pool: world.pool,
      definitions: await loadDefinitions(join(world.folder, 'features')),
    });
    try {
      const ask = async (body: object): Promise<{ status: number; answer: FeaturesResponse & { code?: string } }> => {
        const response = await fetch(`${api.url}/v1/features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ entity: { id: 'u3' }, at, ...body }),
        });
        return { status: response.status, answer: (await response.json()) as FeaturesResponse & { code?: string } };
      };
      const { answer } = await ask({ features: ['wide_7'] });
      expect(answer.results[0]!.views['wide_7']!.values).toEqual(expected);
      // 44 of its views are not started: named, never null in silence.
      expect(await ask({ service: 'wide_service' })).toMatchObject({ status: 400, answer: { code: 'unknown-view' } });
    } finally {
      await api.close();
    }
  });
});

describe("case 32: a schema registry's framing", { timeout: TIMEOUT_MS }, () => {
  it('stops the backfill by that name; accepted, the payloads are kept byte for byte', async () => {
    const payloads = Array.from({ length: 20 }, (_, n) => Buffer.from([0, 0, 0, 0, 7, 2, 0x61, 0xff, n]));
    await send('framed', payloads);
    const started = await world.millrace('start', 'framed', '--wait');
    expect([started.exitCode, started.stderr]).toEqual([
      1,
      expect.stringMatching(/20 × .*looks like a schema registry's framing \(schema id 7\): expected plain JSON/),
    ]);
    await ok('dead-letters', 'accept', 's_framed', '--partition', '0', '--until', '20');
    await ok('retry', 'framed', '--wait');
    const letters = (await world.json('dead-letters', 'framed')) as { offset: number; payloadBase64: string }[];
    const kept = letters
      .toSorted((a, b) => a.offset - b.offset)
      .map((letter) => Buffer.from(letter.payloadBase64, 'base64'));
    expect(kept).toEqual(payloads);
  });
});

describe('case 22: records without a timestamp', { timeout: TIMEOUT_MS }, () => {
  it('stop a stream by that name, with the setting that lets them through', async () => {
    await send('untimed', [record(1)]);
    await ok('start', 'untimed', '--wait');
    await ok('promote', 'untimed', '--wait');
    await send(
      'untimed',
      Array.from({ length: 120 }, (_, n) => record(n)),
      '-1',
    );
    await vi.waitUntil(async () => (await statusOf('untimed')).phase === 'failed', { timeout: 60_000 });
    const { error } = await statusOf('untimed');
    expect(error).toMatchObject({ code: 'too-many-invalid-records', during: 'stream' });
    expect(error!.message).toMatch(/at: no-broker-timestamp: .*it has none; .*brokerTime: 'none'/);
    expect(await valuesOf('untimed', 'id=a')).toEqual({ n: 1, x: 1 });
  });
});

describe('case 34: a transactional producer', { timeout: TIMEOUT_MS }, () => {
  it('an open transaction is waited for by name, behind the real lag; once it is committed it counts', async () => {
    const topic = topicOf('transacted');
    const settings = { transactionalId: topic, maxInFlightRequests: 1, transactionTimeout: 600_000 };
    const producer = kafka.kafka.producer(settings);
    await producer.connect();
    const transaction = async (xs: readonly number[]) => {
      const begun = await producer.transaction();
      await begun.send({ topic, messages: xs.map((x) => ({ partition: 0, value: record(x) })) });
      return begun;
    };
    await (await transaction([1, 2, 3])).commit();
    await (await transaction([100, 200])).abort();
    const open = await transaction([1000]);
    // The cut is before it: a batch neither waits for it nor loses it.
    await ok('start', 'transacted', '--wait');
    expect(await ok('promote', 'transacted', '--wait')).toContain('1 behind');
    expect(await statusOf('transacted')).toMatchObject({
      counts: { records: 3, applied: 3 },
      heldBack: expect.stringMatching(/ held back by an open transaction: partition 0 at offset 7 \(producer \d+\)$/),
    });
    await vi.waitUntil(async () => (await statusOf('transacted')).phase === 'waiting', { timeout: 120_000 });
    expect(await statusOf('transacted')).toMatchObject({ lag: 1, waitingFor: { code: 'held-back' } });
    expect(await ok('status', 'transacted')).toMatch(/waits since .*is held back by an open transaction/);
    expect(await valuesOf('transacted', 'id=a')).toEqual({ n: 3, x: 6 });
    await open.commit();
    await producer.disconnect();
    await vi.waitUntil(async () => (await statusOf('transacted')).phase === 'streaming', { timeout: 60_000 });
    expect(await valuesOf('transacted', 'id=a')).toEqual({ n: 4, x: 1006 });
    expect(await statusOf('transacted')).toMatchObject({ lag: 0, waitingFor: null, heldBack: null });
  });
});

describe('case 36: records larger than a fetch', { timeout: TIMEOUT_MS }, () => {
  it('pass in order, their dead letters can be read, and the archive gives them back', async () => {
    const topic = topicOf('large');
    const size = { name: 'max.message.bytes', value: String(20 * MEGABYTE) };
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [size] }];
    await kafka.admin.alterConfigs({ validateOnly: false, resources });
    const large = (x: number): string => record(x, { note: 'y'.repeat(12 * MEGABYTE) });
    const broken = large(8).slice(0, -1);
    await send('large', [record(1), large(2), record(4), broken, record(16)]);
    await ok('start', 'large', '--wait');
    expect(await valuesOf('large', 'id=a')).toEqual({ n: 4, x: 23 });
    const table = await ok('dead-letters', 'large');
    expect(table.length).toBeLessThan(10_000);
    const [letter] = (await world.json('dead-letters', 'large')) as { payload: string; payloadBytes: number }[];
    expect(letter!.payloadBytes).toBe(Buffer.byteLength(broken));
    expect(letter!.payload).toBe(broken.slice(0, 65_536));
    const [whole] = (await world.json('dead-letters', 'large', '--payload-bytes', String(20 * MEGABYTE))) as {
      payload: string;
    }[];
    expect(whole!.payload === broken).toBe(true);
    await ok('archive', 's_large', '--slice-seconds', '5');
    await vi.waitUntil(async () => ((await world.json('log', 's_large')) as { rows: number }).rows === 5, {
      timeout: 60_000,
    });
    await ok('archive', 's_large', '--stop');
    await kafka.deleteBefore(topic, 0, 5);
    await ok('rebackfill', 'large', '--wait');
    expect(await statusOf('large')).toMatchObject({ version: 2, counts: { records: 5, invalid: 1, applied: 4 } });
    expect(await valuesOf('large', 'id=a')).toEqual({ n: 4, x: 23 });
  });
});

describe('case 38: one part of a join key is null', { timeout: TIMEOUT_MS }, () => {
  it('status counts it under its name', async () => {
    await send(
      'nulls',
      KEYS.map((k, x) => record(x, { k })),
    );
    await ok('start', 'nulls', '--wait');
    expect((await statusOf('nulls')).counts).toMatchObject({ records: 20, nullKey: 10, applied: 10, invalid: 0 });
    expect(await ok('status', 'nulls')).toMatch(/nullKey/);
    expect(await valuesOf('nulls', 'id=a', 'k=k')).toEqual({ n: 10, x: 40 });
  });
});
