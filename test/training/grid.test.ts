import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { exportTrainingSet, sizeOfTrainingSet } from '../../engine/training/export-training-set.ts';
import type { GridOptions } from '../../engine/training/grid.ts';
import { splitPaths } from '../../engine/training/split.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { filesIn, type ParquetFile, readParquet, testFolder } from './training-fixture.ts';

const TOPIC = 'purchases';
const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2001, 0, 1);
const DAY: Pick<GridOptions, 'every' | 'from' | 'to'> = { every: '1d', from: '2001-01-02', to: '2001-01-05' };
const seed = Date.now() % 2 ** 31;

const view = spendingView({
  topic: TOPIC,
  source: { invalidLimit: { rate: 1, window: 1_000 }, dedupeHorizonUs: 1e14 },
});
let folder: string;
let broker: MemoryBroker;
beforeEach(async () => {
  folder = await testFolder();
  broker = new MemoryBroker();
  broker.createTopic(TOPIC, 2);
});

const isoOf = (hour: number): string => new Date(START_MS + hour * HOUR_MS).toISOString();

interface Purchase {
  readonly id: string;
  readonly hour: number;
  readonly customer: string | null;
  readonly kept?: boolean;
}

function send(purchases: readonly Purchase[]): void {
  for (const { hour, ...purchase } of purchases) {
    const value = purchaseBytes({ ...purchase, at: isoOf(hour), amount: hour });
    broker.append(TOPIC, 0, [{ value, timestampUs: 1e15 }]);
  }
}

const common = (of: CompiledView = view) => ({
  service: { name: 'model', blocks: [blockOf(of)] },
  mode: 'event-time' as const,
  reader: createMemoryLogReader(broker),
  spillDir: join(folder, 'spill'),
  clock: systemClock,
});

const exported = (
  name: string,
  grid: GridOptions | undefined,
  more: Partial<TrainingOptions> = {},
): Promise<TrainingManifest> =>
  exportTrainingSet({ ...common(), out: join(folder, name), grid, overwrite: true, ...more });
const read = (name: string): Promise<ParquetFile> => readParquet(join(folder, name));
const rowsOf = ({ rows }: ParquetFile) =>
  rows.map((row) => `${String(row['customer'])} ${(Number(row['event_timestamp']) / 1000 - START_MS) / HOUR_MS}`);

describe('the entities of a view, at regular times', () => {
  test(`each is in from its first event on, and has what a file of the same labels gives (seed ${seed})`, async () => {
    const purchase = fc.record({
      id: fc.integer({ min: 0, max: 30 }).map((n) => `p${n}`),
      hour: fc.integer({ min: 0, max: 100 }),
      customer: fc.constantFrom('ana', 'bo', 'c\u{1F600}', '\uFFFD', 'é', null),
      kept: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(purchase, { maxLength: 30 }),
        fc.integer({ min: 0, max: 80 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 40 }),
        async (purchases, from, length, every) => {
          broker = new MemoryBroker();
          broker.createTopic(TOPIC, 2);
          send(purchases);
          // The first event of each, of those that count: not filtered, with a key, and no repetition of an id.
          const ids = new Set<string>();
          const first = new Map<string, number>();
          for (const { id, hour, customer, kept } of purchases) {
            if (ids.has(id)) continue;
            ids.add(id);
            // A function of the view refuses 13.
            if (customer !== null && kept && hour !== 13)
              first.set(customer, Math.min(hour, first.get(customer) ?? hour));
          }
          const expected: { customer: string; hour: number }[] = [];
          for (let hour = from; hour < from + length; hour += every) {
            for (const customer of [...first.keys()].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
              if (first.get(customer)! < hour) expected.push({ customer, hour });
          }
          const grid = { entitiesOf: blockOf(view), every: `${every}h`, from: isoOf(from), to: isoOf(from + length) };
          const made = exported('made.parquet', grid);
          if (expected.length === 0) {
            await expect(made).rejects.toMatchObject({ code: 'empty-spine' });
            return;
          }
          const manifest = await made;
          const lines = expected.map(({ customer, hour }) =>
            JSON.stringify({ customer, event_timestamp: isoOf(hour) }),
          );
          await writeFile(join(folder, 'labels.jsonl'), `${lines.join('\n')}\n`);
          const labelled = await exported('labelled.parquet', undefined, { spine: join(folder, 'labels.jsonl') });
          expect(await read('made.parquet')).toEqual(await read('labelled.parquet'));
          expect(manifest.sha256).toBe(labelled.sha256);
          const steps = Math.ceil(length / every);
          const entities = new Set(expected.map(({ customer }) => customer)).size;
          expect(manifest).toMatchObject({ rows: expected.length, spine: { path: null, grid: { steps, entities } } });
          const size = await sizeOfTrainingSet({ ...common(), grid });
          expect(size).toMatchObject({ rows: expected.length, entities, steps, sample: null });
        },
      ),
      { numRuns: 40, seed, endOnFailure: true },
    );
  });

  const three: readonly Purchase[] = [
    { id: 'a', hour: 3, customer: 'ana' },
    { id: 'b', hour: 24, customer: 'bo' },
    { id: 'c', hour: 80, customer: 'cleo' },
  ];

  test('an event at the very time of a row is not known there; repeated at its cut it is the same, whatever came since', async () => {
    send(three);
    const manifest = await exported('a.parquet', { entitiesOf: blockOf(view), ...DAY });
    // The first step is at hour 24.
    expect(rowsOf(await read('a.parquet'))).toEqual(['ana 24', 'ana 48', 'bo 48', 'ana 72', 'bo 72']);
    const { cut, ...of } = manifest.spine.grid!.entitiesOf!;
    expect(of).toEqual({ view: 'spending', fingerprint: view.fingerprint, source: 'purchases', history: [] });
    expect(cut).toEqual(manifest.cuts['purchases']);
    expect(manifest.spine).toMatchObject({
      path: null,
      sha256: null,
      timeColumn: 'event_timestamp',
      columns: ['customer', 'event_timestamp'],
      grid: {
        every: '1d',
        from: '2001-01-02T00:00:00.000000Z',
        to: '2001-01-05T00:00:00.000000Z',
        steps: 3,
        entities: 2,
      },
    });
    // Late, and of somebody new.
    send([
      { id: 'd', hour: 1, customer: 'dan' },
      { id: 'e', hour: 25, customer: 'ana' },
    ]);
    const again = await exported('b.parquet', { entitiesOf: blockOf(view), ...DAY }, { repeatOf: manifest });
    expect(again).toEqual(manifest);
    expect((await readFile(join(folder, 'a.parquet'))).equals(await readFile(join(folder, 'b.parquet')))).toBe(true);
    const anew = await exported('c.parquet', { entitiesOf: blockOf(view), ...DAY });
    expect(anew.rows).toBe(manifest.rows + 3);
    for (const other of [{ every: '2d' }, { to: '2001-01-06' }, { from: '2001-01-01' }])
      await expect(
        exported('b.parquet', { entitiesOf: blockOf(view), ...DAY, ...other }, { repeatOf: manifest }),
      ).rejects.toMatchObject({
        code: 'training-set-changed',
        message: expect.stringMatching(/rows: then of the entities of view "spending" .*every 1d from 2001/) as string,
      });
  });

  test('divided, sampled, under another name of the time', async () => {
    send(Array.from({ length: 200 }, (_, n) => ({ id: `p${n}`, hour: 0, customer: `u${n}` })));
    const grid = { entitiesOf: blockOf(view), ...DAY };
    const manifest = await exported('s.parquet', grid, { sample: 0.2, split: 0.5, timeColumn: 'at' });
    const { entities } = manifest.spine.grid!;
    expect(manifest.sample).toEqual({ fraction: 0.2, by: ['customer'], ofRows: 200 });
    expect(manifest.rows).toBe(3 * entities);
    expect(manifest.split).toMatchObject({ at: '2001-01-03T00:00:00.000000Z', train: { rows: entities } });
    const train = await readParquet(splitPaths(join(folder, 's.parquet')).train);
    expect(train.names.slice(0, 2)).toEqual(['customer', 'at']);
    expect(train.rows.map((row) => row['at'])).toEqual(
      Array.from({ length: entities }, () => (START_MS + 24 * HOUR_MS) * 1000),
    );
    const again = { repeatOf: manifest, timeColumn: undefined };
    expect(await exported('s.parquet', grid, again)).toEqual(manifest);
  });

  test('entities that do not fit in memory are let go to DuckDB: the same bytes', async () => {
    const purchases = Array.from({ length: 6_000 }, (_, n) => ({
      id: `p${n}`,
      hour: (n * 7919) % 90,
      customer: `u${(n * 104_729) % 1_500}`,
    }));
    send(purchases);
    const grid = { entitiesOf: blockOf(view), every: '6h', from: '2001-01-01', to: '2001-01-05' };
    const manifest = await exported('a.parquet', grid);
    expect(manifest.spine.grid).toMatchObject({ entities: 1_500, steps: 16 });
    const small = await exported('b.parquet', grid, { statesMb: 0.1, repeatOf: manifest });
    expect(small).toEqual(manifest);
  });

  test('a view beside the service has the entities, where it has the join keys', async () => {
    send(three);
    const service = { name: 'model', blocks: [blockOf(view)] };
    const other = { ...view, name: 'others', source: { ...view.source, name: 'more_purchases', topic: 'more' } };
    broker.createTopic('more', 1);
    const value = purchaseBytes({ id: 'x', at: isoOf(1), customer: 'xena', amount: 1 });
    broker.append('more', 0, [{ value, timestampUs: 1e15 }]);
    const manifest = await exported('a.parquet', { entitiesOf: blockOf(other), ...DAY }, { service });
    expect(rowsOf(await read('a.parquet'))).toEqual(['xena 24', 'xena 48', 'xena 72']);
    expect(manifest.views[0]).toMatchObject({ rowsWithoutState: 3 });
    expect(Object.keys(manifest.cuts)).toEqual(['purchases']);
    expect(
      await exported('a.parquet', { entitiesOf: blockOf(other), ...DAY }, { service, repeatOf: manifest }),
    ).toEqual(manifest);
    const unlike = { ...view.layout, entity: 'shop', keys: [{ name: 'shop', type: { kind: 'string' as const } }] };
    const without = { ...view, name: 'shops', layout: { ...unlike, view: 'shops' } };
    await expect(exported('a.parquet', { entitiesOf: blockOf(without), ...DAY })).rejects.toMatchObject({
      code: 'spine-column-missing',
      message: expect.stringMatching(/^spine of the entities of view "shops": no column "customer"/) as string,
    });
  });
});

describe('the entities of a view in a role', () => {
  test('go by the columns of the role, and fill what else of the service goes by these', async () => {
    send([{ id: 'a', hour: 3, customer: 'ana' }]);
    const [from, to] = [blockOf(view, 'from', { customer: 'payer' }), blockOf(view, 'to', { customer: 'payee' })];
    const manifest = await exported(
      'r.parquet',
      { entitiesOf: from, ...DAY },
      { service: { name: 'model', blocks: [from] } },
    );
    const set = await read('r.parquet');
    expect(set.names.slice(0, 3)).toEqual(['payer', 'event_timestamp', 'from__purchases_1d']);
    expect(set.rows.map((row) => [row['payer'], row['from__last_amount']])).toEqual(
      [24, 48, 72].map(() => ['ana', 3n]),
    );
    expect(manifest.spine.grid!.entitiesOf).toMatchObject({ view: 'spending', role: 'from' });
    const both = { name: 'model', blocks: [from, to] };
    await expect(exported('r.parquet', { entitiesOf: from, ...DAY }, { service: both })).rejects.toMatchObject({
      code: 'spine-column-missing',
      message: expect.stringMatching(/entities of role "from" of view "spending": no column "payee"/) as string,
    });
  });
});

describe('a file of entities, at regular times', () => {
  const files = {
    'e.csv': 'customer,segment\nbo,1\nana,2\nbo,1\n',
    'e.jsonl': '{"customer":"bo","segment":1}\n{"customer":"ana","segment":2}\n{"customer":"bo","segment":1}\n',
  };

  test('each row of it is there at every step, its other columns with it', async () => {
    send([{ id: 'a', hour: 30, customer: 'ana' }]);
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, name), text);
      const grid = { entities: join(folder, name), ...DAY };
      const manifest = await exported('a.parquet', grid);
      const set = await read('a.parquet');
      expect(rowsOf(set)).toEqual(
        [24, 48, 72].flatMap((hour) => ['bo', 'ana', 'bo'].map((customer) => `${customer} ${hour}`)),
      );
      expect(set.names.slice(0, 3)).toEqual(['customer', 'segment', 'event_timestamp']);
      expect(set.rows.map((row) => String(row['segment'])).slice(0, 3)).toEqual(['1', '2', '1']);
      expect(set.rows.map((row) => row['spending__purchases_1d'])).toEqual([0n, 0n, 0n, 0n, 1n, 0n, 0n, 0n, 0n]);
      expect(manifest.spine).toMatchObject({ path: join(folder, name), grid: { steps: 3, entities: 3 } });
      expect(manifest.spine.grid).not.toHaveProperty('entitiesOf');
      expect(await exported('a.parquet', grid, { repeatOf: manifest })).toEqual(manifest);
      expect(await sizeOfTrainingSet({ ...common(), grid })).toMatchObject({ rows: 9, entities: 3 });
      await writeFile(join(folder, name), text.replace('ana', 'ann'));
      await expect(exported('a.parquet', grid, { repeatOf: manifest })).rejects.toMatchObject({
        code: 'training-set-changed',
        message: expect.stringContaining('spine: then sha-256') as string,
      });
    }
  });

  test('a time of its own, no rows, no keys', async () => {
    await writeFile(join(folder, 't.csv'), `customer,Event_Timestamp\nana,${isoOf(1)}\n`);
    await expect(exported('a.parquet', { entities: join(folder, 't.csv'), ...DAY })).rejects.toMatchObject({
      code: 'feature-column-clash',
      message: expect.stringContaining('"Event_Timestamp" of the entities and the time of the rows') as string,
    });
    await writeFile(join(folder, 'n.csv'), 'customer\n');
    await expect(exported('a.parquet', { entities: join(folder, 'n.csv'), ...DAY })).rejects.toMatchObject({
      code: 'empty-spine',
    });
    await writeFile(join(folder, 'k.csv'), 'person\nana\n');
    await expect(exported('a.parquet', { entities: join(folder, 'k.csv'), ...DAY })).rejects.toMatchObject({
      code: 'spine-column-missing',
    });
    await expect(exported('a.parquet', { entities: join(folder, 'none.csv'), ...DAY })).rejects.toMatchObject({
      code: 'spine-not-found',
    });
  });
});

describe('what is refused before anything is read', () => {
  const refusal = async (grid: GridOptions | undefined, more: Partial<TrainingOptions> = {}): Promise<string> => {
    const failed = await exported('a.parquet', grid, more).then(
      () => expect.fail('the export went through'),
      (error: { code: string; message: string; remedy: string }) => error,
    );
    expect(failed.remedy).toBeTruthy();
    expect((await filesIn(folder)).filter((name) => name.startsWith('a.'))).toEqual([]);
    return `${failed.code}: ${failed.message}`;
  };

  test('times that are none', async () => {
    const of = (other: Partial<GridOptions>) => refusal({ entitiesOf: blockOf(view), ...DAY, ...other });
    expect(await of({ every: '0d', from: 'soon' })).toMatch(
      /^bad-grid: every "0d"; expected a duration: .* from: expected an ISO datetime .* received "soon"/,
    );
    expect(await of({ from: '2001-01-05' })).toMatch(/^bad-grid: from "2001-01-05" is not before to "2001-01-05"/);
    expect(await of({ to: '2001-01-05T00:00:00' })).toMatch(/bad-grid: to: .*it has no zone/);
    const zoned = await exported(
      'b.parquet',
      { entities: await ana(), ...DAY, to: '2001-01-05T00:00:00' },
      { timeZone: 'Europe/Berlin' },
    );
    expect(zoned.spine.grid).toMatchObject({ from: '2001-01-01T23:00:00.000000Z', to: '2001-01-04T23:00:00.000000Z' });
  });

  async function ana(): Promise<string> {
    const file = join(folder, 'ana.csv');
    await writeFile(file, 'customer\nana\n');
    return file;
  }

  test('rows of requests; several spines, or none; more rows than are allowed', async () => {
    send([{ id: 'a', hour: 0, customer: 'ana' }]);
    const grid = { entitiesOf: blockOf(view), ...DAY };
    expect(await refusal(grid, { mode: 'as-served', requestColumn: 'id' })).toMatch(/^requests-need-spine: /);
    expect(await refusal(grid, { spine: await ana() })).toMatch(/^bad-grid: .*2 were given/);
    expect(await refusal({ ...grid, entities: await ana() })).toMatch(/^bad-grid: .*2 were given/);
    await expect(exported('a.parquet', undefined)).rejects.toMatchObject({
      code: 'bad-grid',
      message: expect.stringContaining('0 were given') as string,
    });
    expect(await refusal({ ...grid, maxRows: 2 })).toMatch(
      /^grid-too-large: spine of the entities of view "spending": 1 entities at up to 3 times are 3 rows; at most 2 are made/,
    );
    // Two hundred years of milliseconds: counted, and not made.
    const endless = { ...grid, every: '1ms', from: '2001-01-01', to: '2200-01-01' };
    expect(await refusal(endless)).toMatch(/^grid-too-large: .* 6279\d+ rows/);
    expect(await exported('b.parquet', { ...grid, maxRows: 3 })).toMatchObject({ rows: 3 });
  });
});
