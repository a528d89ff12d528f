import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { lawRuns, lawTimeoutMs } from '../laws/law-seed.ts';
import type { OracleScalar, OracleType } from '../oracle/order.ts';
import { trainingValues } from '../oracle/read.ts';
import { type OracleLog, oracleLog, type OracleSource } from '../oracle/source-log.ts';
import { type OracleAggregate, type OracleFeature, type OracleView, oracleView } from '../oracle/view.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { expectedCell, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

const SECOND = 1_000_000;
const INT = { kind: 'int' } as const;
const DOUBLE = { kind: 'double' } as const;
const STRING = { kind: 'string' } as const;
const MONEY = { kind: 'decimal', scale: 2 } as const;
const TIME = { kind: 'timestamp' } as const;
const DATE = { kind: 'date' } as const;

/** A record as JSON has it. */
interface Click {
  readonly id: string;
  readonly at: string;
  readonly visitor: number | null;
  readonly shop: string | null;
  readonly clicks: number | null;
  readonly weight: number | null;
  readonly price: string | null;
  readonly seen: string | null;
  readonly day: string | null;
  readonly kept: boolean;
}

const microsOf = (at: string): number => Date.parse(`${at.slice(0, 19)}Z`) * 1000 + Number(at.slice(20, 26));
const isoOf = (us: number): string =>
  new Date(Math.floor(us / 1000)).toISOString().slice(0, 20) +
  String(((us % SECOND) + SECOND) % SECOND).padStart(6, '0') +
  'Z';

const clickSchema = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  visitor: z.int().nullable(),
  shop: z.string().nullable(),
  clicks: z.int().nullable(),
  weight: z.number().nullable(),
  price: decimal(10, 2).nullable(),
  seen: z.iso.datetime().nullable(),
  day: z.iso.date().nullable(),
  kept: z.boolean(),
});
const user = entity('visitor', { visitor: z.int() });
const pair = entity('pair', { visitor: z.int(), shop: z.string() });
const clicks = source('clicks', {
  schema: clickSchema,
  eventTime: 'at',
  eventId: 'id',
  topic: 'clicks',
  history: { path: 'clicks.jsonl', disjoint: true },
  dedupeHorizon: '2m',
});
const taps = source('taps', { schema: clickSchema, eventTime: 'at', topic: 'taps' });
const userClicks = featureView('user_clicks', {
  entity: user,
  source: clicks,
  where: (e) => e.kept,
  features: (f) => ({
    rows_2m: f.count().over('2m', { hop: '30s' }),
    weight_90s: f.sum('weight').over('90s', { hop: '1m' }),
    price: f.sum('price').over('5m', { hop: '1m' }),
    first_seen: f.first('seen'),
    last_day: f.last('day').over('1h'),
  }),
});
const pairClicks = featureView('pair_clicks', {
  entity: pair,
  source: clicks,
  features: (f) => ({
    avg_weight: f.avg('weight').over('3m', { hop: '1m' }),
    max_price: f.max('price'),
    last_shop: f.last('shop'),
  }),
});
const userTaps = featureView('user_taps', {
  entity: user,
  source: taps,
  features: (f) => ({ taps_1m: f.count('clicks').over('1m', { hop: '10s' }), last_clicks: f.last('clicks') }),
});

const decimalOf = (text: string | null): string | null => (text === null ? null : Number(text).toFixed(2));
const userKey = (row: Click): string | null => (row.visitor === null ? null : `${row.visitor}`);
const pairKey = (row: Click): string | null =>
  row.visitor === null || row.shop === null ? null : `${row.visitor}\0${row.shop}`;
const feature = (
  name: string,
  aggregate: OracleAggregate,
  type: OracleType,
  of: (row: Click) => OracleScalar | null,
  over: OracleFeature<Click>['over'] = null,
): OracleFeature<Click> => ({ name, aggregate, input: { type, of }, over });
const ORACLE: Readonly<Record<'user_clicks' | 'pair_clicks' | 'user_taps', OracleView<Click>>> = {
  user_clicks: {
    where: (e) => e.kept,
    key: userKey,
    idType: STRING,
    features: [
      { name: 'rows_2m', aggregate: 'count', input: null, over: { window: '2m', hop: '30s' } },
      feature('weight_90s', 'sum', DOUBLE, (e) => e.weight, { window: '90s', hop: '1m' }),
      feature('price', 'sum', MONEY, (e) => decimalOf(e.price), { window: '5m', hop: '1m' }),
      feature('first_seen', 'first', TIME, (e) => (e.seen === null ? null : microsOf(e.seen))),
      feature('last_day', 'last', DATE, (e) => e.day, { window: '1h' }),
    ],
  },
  pair_clicks: {
    where: () => true,
    key: pairKey,
    idType: STRING,
    features: [
      feature('avg_weight', 'avg', DOUBLE, (e) => e.weight, { window: '3m', hop: '1m' }),
      feature('max_price', 'max', MONEY, (e) => decimalOf(e.price)),
      feature('last_shop', 'last', STRING, (e) => e.shop),
    ],
  },
  user_taps: {
    where: () => true,
    key: userKey,
    idType: null,
    features: [
      feature('taps_1m', 'count', INT, (e) => e.clicks, { window: '1m', hop: '10s' }),
      feature('last_clicks', 'last', INT, (e) => e.clicks),
    ],
  },
};

/** What the service has under each name: a view, and whose visitor it is. */
const BLOCKS = {
  user_clicks: { view: 'user_clicks', visitor: 'visitor' },
  pair_clicks: { view: 'pair_clicks', visitor: 'visitor' },
  user_taps: { view: 'user_taps', visitor: 'visitor' },
  seller: { view: 'user_clicks', visitor: 'seller' },
  sold: { view: 'pair_clicks', visitor: 'seller' },
} as const;

// Around the epoch, on a grid of 5 s, so that ties, tile edges and negative times are common; sometimes a microsecond off.
const timeUs = fc
  .tuple(fc.integer({ min: -60, max: 120 }), fc.constantFrom(0, 0, 0, 1, -1))
  .map(([fives, off]) => fives * 5 * SECOND + off);
const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 4 });
const click: fc.Arbitrary<Click> = fc.record({
  id: fc.integer({ min: 0, max: 60 }).map((n) => `id${n}`),
  at: timeUs.map(isoOf),
  visitor: some(fc.integer({ min: -1, max: 3 })),
  shop: some(fc.constantFrom('a', 'b', 'é', '\u{1F600}')),
  clicks: some(fc.integer()),
  weight: some(fc.constantFrom(0.1, 0.2, 0.3, 1e16, -1e16, 1, 1e-300)),
  price: some(fc.constantFrom('0.10', '-3.35', '99999999.99', '7')),
  seen: some(timeUs.map(isoOf)),
  day: some(fc.constantFrom('1969-12-31', '2001-02-03')),
  kept: fc.boolean(),
});
const scenario = fc.record({
  history: fc.array(click, { maxLength: 30 }),
  topic: fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), click), { maxLength: 40 }),
  taps: fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), click), { maxLength: 20 }),
  after: fc.array(click, { maxLength: 5 }),
  spine: fc.array(
    fc.record({
      visitor: fc.integer({ min: -1, max: 4 }),
      shop: fc.constantFrom('a', 'b', 'é', '\u{1F600}', 'none'),
      seller: fc.integer({ min: -1, max: 4 }),
      t: timeUs,
    }),
    { minLength: 1, maxLength: 30 },
  ),
  format: fc.constantFrom('parquet' as const, 'jsonl' as const, 'csv' as const),
});

test(
  'random logs and spines read what the oracle says, in one pass or several, and the same bytes each time',
  async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ history, topic, taps: tapped, after, spine, format }) => {
        const folder = await testFolder();
        await mkdir(join(folder, 'out'));
        await writeFile(
          join(folder, 'clicks.jsonl'),
          history.map((row) => `${JSON.stringify(row)}\n`).join('') || '\n',
        );
        const broker = new MemoryBroker();
        broker.createTopic('clicks', 2);
        broker.createTopic('taps', 2);
        const send = (name: string, partition: number, row: Click): void =>
          broker.append(name, partition, [{ value: Buffer.from(JSON.stringify(row)), timestampUs: 1e12 }]);
        for (const [partition, row] of topic) send('clicks', partition, row);
        for (const [partition, row] of tapped) send('taps', partition, row);

        const spinePath = await writeSpine(folder, spine, format);
        const definitions = await compileDefinitions(
          definitionsInMemory(
            [
              user,
              pair,
              clicks,
              taps,
              userClicks,
              pairClicks,
              userTaps,
              featureService('everything', [
                userClicks,
                pairClicks,
                userTaps,
                // Dense enough that most labels have one visitor in both, or one without any event in either.
                userClicks.as('seller', { visitor: 'seller' }),
                pairClicks.as('sold', { visitor: 'seller' }),
              ]),
            ],
            folder,
          ),
        );
        const run = (name: string, more: object) =>
          exportTrainingSet({
            service: definitions.services.get('everything')!,
            spine: spinePath,
            out: join(folder, 'out', name),
            mode: 'event-time',
            reader: createMemoryLogReader(broker),
            spillDir: join(folder, 'spill'),
            clock: systemClock,
            ...more,
          });
        const manifest = await run('a.parquet', {});

        // Expectations, from the records alone.
        const { steps } = oracleLog(oracleSource(120 * SECOND, true), logOf(history, topic));
        const { steps: tapSteps } = oracleLog(oracleSource(86_400 * SECOND, false), logOf([], tapped));
        const logs = {
          user_clicks: oracleView(ORACLE.user_clicks, steps),
          pair_clicks: oracleView(ORACLE.pair_clicks, steps),
          user_taps: oracleView(ORACLE.user_taps, tapSteps),
        };
        const set = await readParquet(join(folder, 'out', 'a.parquet'));
        expect(set.rows.length).toBe(spine.length);
        const differences: unknown[] = [];
        for (const [n, row] of set.rows.entries()) {
          const label = spine[n]!;
          expect([Number(row['label_id']), Number(row['visitor']), row['shop'], row['event_timestamp']]).toEqual([
            n,
            label.visitor,
            label.shop,
            label.t,
          ]);
          for (const [block, { view, visitor }] of Object.entries(BLOCKS)) {
            const key = view === 'pair_clicks' ? `${label[visitor]}\0${label.shop}` : `${label[visitor]}`;
            const values = trainingValues(ORACLE[view], logs[view].entities.get(key) ?? [], label.t);
            for (const [index, { name, result }] of definitions.views.get(view)!.layout.features.entries()) {
              const value = values[index]!;
              if (typeof value === 'symbol') throw new Error('no value of this test is out of range');
              const cell = row[`${block}__${name}`];
              if (!Object.is(cell, expectedCell(result, value))) differences.push({ block, name, row: n, cell, value });
            }
          }
        }
        expect(differences).toEqual([]);
        expect(manifest.views.map(({ view, role, columns }) => [role ?? view, columns])).toEqual([
          ['user_clicks', undefined],
          ['pair_clicks', undefined],
          ['user_taps', undefined],
          ['seller', ['seller']],
          ['sold', ['seller', 'shop']],
        ]);
        for (const view of manifest.views) {
          const log = logs[view.view as keyof typeof logs];
          expect([view.counts.filtered, view.counts.nullKey]).toEqual([log.filtered, log.nullKey]);
          const counted = view.source === 'clicks' ? steps : tapSteps;
          expect(view.counts.duplicates).toBe(counted.filter(({ outcome }) => outcome === 'duplicate').length);
        }

        // The log goes on; the export at the same cut does not, however many passes it takes.
        for (const row of after) {
          send('clicks', 0, row);
          send('taps', 1, row);
        }
        const again = await run('b.parquet', { repeatOf: manifest });
        const inPasses = await run('c.parquet', { cuts: manifest.cuts, statesMb: 0.0005 });
        expect(again).toEqual(manifest);
        expect(inPasses).toEqual(manifest);
        const bytes = await readFile(join(folder, 'out', 'a.parquet'));
        for (const name of ['b.parquet', 'c.parquet']) {
          expect(bytes.equals(await readFile(join(folder, 'out', name)))).toBe(true);
        }
      }),
      lawRuns(25),
    );
  },
  lawTimeoutMs(300_000),
);

function oracleSource(horizonUs: number, hasId: boolean): OracleSource<Click> {
  return {
    decode: (value) => ({ row: value as Click }),
    eventTimeUs: (row) => microsOf(row.at),
    eventId: hasId ? (row) => row.id : null,
    untilUs: null,
    horizonUs,
    maxAheadUs: 3600 * SECOND,
    withoutBrokerTime: false,
  };
}

function logOf(history: readonly Click[], topic: readonly (readonly [number, Click])[]): OracleLog {
  const partitions = [0, 1].map((partition) => ({
    partition,
    records: topic
      .filter(([of]) => of === partition)
      .map(([, value], offset) => ({ offset, brokerTimeUs: 1e12, value })),
  }));
  return { files: [{ name: 'clicks', rows: history }], gUs: 1e12, partitions };
}

async function writeSpine(
  folder: string,
  rows: readonly { visitor: number; shop: string; seller: number; t: number }[],
  format: 'parquet' | 'jsonl' | 'csv',
): Promise<string> {
  const path = join(folder, `spine.${format}`);
  const labels = rows.map(({ visitor, shop, seller, t }, n) => ({
    label_id: n,
    visitor,
    shop,
    seller,
    event_timestamp: isoOf(t),
  }));
  if (format === 'csv') {
    const lines = labels.map(
      (row) => `${row.label_id},${row.visitor},"${row.shop}",${row.seller},${row.event_timestamp}\n`,
    );
    await writeFile(path, `label_id,visitor,shop,seller,event_timestamp\n${lines.join('')}`);
    return path;
  }
  const json = join(folder, 'spine.jsonl');
  await writeFile(json, labels.map((row) => `${JSON.stringify(row)}\n`).join(''));
  if (format === 'parquet') {
    await withDuckDb((duckdb) =>
      duckdb.run(
        `COPY (SELECT * FROM read_json($1, format = 'newline_delimited', columns = {label_id: 'BIGINT', visitor: 'INTEGER', shop: 'VARCHAR', seller: 'INTEGER',
           event_timestamp: 'TIMESTAMPTZ'})) TO '${path}'`,
        [json],
      ),
    );
  }
  return path;
}
