import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { type BaselineFeature, baselineOf } from '../../engine/monitors/baseline.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { withinRoom } from '../../engine/training/training-baseline.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { lawSeed } from '../laws/law-seed.ts';
import { readParquet, testFolder } from './training-fixture.ts';

const LABELS = 300;
const SHOPS = 40;

const shop = entity('shop', { shop: z.string() });
const orders = source('orders', {
  schema: z.object({
    ts: z.iso.datetime(),
    shop: z.string(),
    price: decimal(8, 2).nullable(),
    units: z.int(),
    weight: z.number(),
    big: z.int64(),
    kind: z.string(),
    paid: z.boolean(),
    secret: z.string(),
  }),
  eventTime: 'ts',
  sensitive: ['secret'],
  history: { path: 'orders.jsonl', disjoint: true },
});
const sales = featureView('sales', {
  entity: shop,
  source: orders,
  features: (f) => ({
    n_1d: f.count().over('1d'),
    spent: f.sum('price').over('2d'),
    units_avg: f.avg('units').over('3d'),
    weight_max: f.max('weight').over('1d'),
    last_weight: f.last('weight'),
    last_big: f.last('big'),
    last_kind: f.last('kind'),
    last_secret: f.last('secret'),
    any_paid: f.max('paid'),
    last_at: f.last('ts'),
    kinds: f.lastN('kind', 3),
  }),
  derived: (d) => ({ each: d.number((v) => (v.n_1d === 0 ? null : (v.units_avg ?? 0) / v.n_1d)) }),
});

/** Numbers of a seed: the same at every call. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

let folder: string;
let service: CompiledService;
let spine: string[];
beforeEach(async () => {
  folder = await testFolder();
  const next = numbers(lawSeed);
  const timeOf = (minute: number): string => new Date(Date.UTC(2001, 5, 1) + minute * 60_000).toISOString();
  const events = Array.from({ length: 900 }, () => ({
    ts: timeOf(next(14_400)),
    shop: `s${next(SHOPS)}`,
    price: next(5) === 0 ? null : `${next(9_000) - 100}.${`${next(100)}`.padStart(2, '0')}`,
    units: next(20) - 5,
    weight: (next(1_000_000) - 2_000) / 7 ** next(12),
    big: `${BigInt(next(2 ** 31)) * 4_000_000_000n - 4_000_000_000_000_000_000n}`,
    kind: next(10) === 0 ? `rare ${next(400)}` : `kind ${next(4)}`,
    paid: next(2) === 0,
    secret: `secret ${next(3)}`,
  }));
  await writeFile(join(folder, 'orders.jsonl'), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const definitions = await compileDefinitions(
    definitionsInMemory([shop, orders, sales, featureService('model', [sales])], folder),
  );
  service = definitions.services.get('model')!;
  spine = Array.from({ length: LABELS }, (_, n) => `${n},s${next(SHOPS + 4)},${timeOf(next(14_400))}`);
  await writeSpine('spine.csv', spine);
});

const writeSpine = (name: string, lines: readonly string[]): Promise<void> =>
  writeFile(join(folder, name), `n,shop,event_timestamp\n${lines.join('\n')}\n`);

function exported(more: Partial<TrainingOptions> = {}): Promise<TrainingManifest> {
  return exportTrainingSet({
    service,
    spine: join(folder, 'spine.csv'),
    out: join(folder, 'set.parquet'),
    mode: 'event-time',
    reader: null,
    overwrite: true,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    ...more,
  });
}

/** What a value counts as, in whole numbers of 2^-1074 and of its square: exact, and slow. */
function exactly(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4));
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n);
  const magnitude = mantissa << BigInt(Math.max(exponent, 1) - 1);
  return value < 0 ? -magnitude : magnitude;
}

/** The double next to n / d. */
function quotient(n: bigint, d: bigint): number {
  if (n < 0n) return -quotient(-n, d);
  if (n === 0n) return 0;
  let shift = 0n;
  while ((n << shift) / d < 2n ** 64n) shift += 16n;
  const whole = (n << shift) / d;
  const sticky = (n << shift) % d === 0n ? 0n : 1n;
  return Number(whole | sticky) / 2 ** Number(shift);
}

/** The summary of numbers by the book. @param scale digits of decimals; null: doubles */
function numbersOf(cells: readonly unknown[], scale: number | null): object {
  const given = cells.filter((cell) => cell !== null);
  const digits = 10n ** BigInt(scale ?? 0);
  const exact = given.map((cell) =>
    scale === null ? exactly(cell as number) : BigInt(String(cell as bigint | string).replace('.', '')),
  );
  const unit = scale === null ? 1n << 1074n : digits;
  const bins = new Map<number, number>();
  for (const cell of given) {
    const bin = bucketOf(6)(Number(cell));
    bins.set(bin, (bins.get(bin) ?? 0) + 1);
  }
  const sum = (values: readonly bigint[]): bigint => values.reduce((all, value) => all + value, 0n);
  return {
    nulls: cells.length - given.length,
    numbers: {
      sum: quotient(sum(exact), unit),
      squares: quotient(sum(exact.map((value) => value * value)), unit * unit),
      zeros: exact.filter((value) => value === 0n).length,
    },
    bins: new Map([...bins].sort(([a], [b]) => a - b)),
    top: null,
  };
}

describe('the baseline of a training set', () => {
  test('is that of its rows by the book', async () => {
    const manifest = await exported();
    const { rows } = await readParquet(join(folder, 'set.parquet'));
    const baseline = baselineOf(manifest)!;
    const cells = (name: string): unknown[] => rows.map((row) => row[`sales__${name}`]);
    expect(manifest.baseline).toMatchObject({ rows: LABELS, sketchBits: 6 });
    expect([...baseline.keys()]).toEqual(manifest.views[0]!.features.map(({ column }) => column));
    for (const [name, scale] of [
      ['n_1d', 0],
      ['spent', 2],
      ['units_avg', null],
      ['weight_max', null],
      ['last_weight', null],
      ['last_big', 0],
      ['each', null],
    ] as const) {
      const { count, values } = baseline.get(`sales__${name}`)!;
      expect(count).toBe(LABELS);
      expect({ name, ...values }).toEqual({ name, distinct: values.distinct, ...numbersOf(cells(name), scale) });
      const distinct = new Set(cells(name).filter((cell) => cell !== null)).size;
      expect(Math.abs(values.distinct! - distinct)).toBeLessThanOrEqual(distinct < 100 ? 0 : distinct / 2);
    }
    for (const name of ['last_kind', 'any_paid']) {
      const { values } = baseline.get(`sales__${name}`)!;
      const given = cells(name).filter((cell) => cell !== null);
      const counts = [...Map.groupBy(given, String)].map(([text, of]): [string, number] => [text, of.length]);
      const ranked = counts.sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1)).slice(0, 50);
      expect([...values.top!.counts]).toEqual(ranked);
      expect(values).toMatchObject({ nulls: LABELS - given.length, numbers: null, bins: null });
      expect(values.top!.others).toBe(given.length - ranked.reduce((sum, [, count]) => sum + count, 0));
    }
    // Times, lists and what is sensitive are told by their nulls.
    for (const name of ['last_at', 'kinds', 'last_secret']) {
      const { values } = baseline.get(`sales__${name}`)!;
      expect(values).toMatchObject({
        nulls: cells(name).filter((cell) => cell === null).length,
        top: null,
        bins: null,
      });
    }
    expect(JSON.stringify(manifest)).not.toContain('secret 1');
  });

  test('does not depend on the order of rows, on memory, nor on when: the manifest of a repetition is the same', async () => {
    const manifest = await exported();
    const again = await exported({ repeatOf: manifest, statesMb: 0.02 });
    expect(again).toEqual(manifest);
    await writeSpine('spine.csv', spine.toReversed());
    expect((await exported()).baseline).toEqual(manifest.baseline);
  });

  test('of a divided set is that of the rows to train on', async () => {
    const manifest = await exported({ split: 0.7 });
    const { at, train } = manifest.split!;
    expect(manifest.baseline!.rows).toBe(train.rows);
    await writeSpine(
      'spine.csv',
      spine.filter((line) => Date.parse(line.split(',')[2]!) < Date.parse(at)),
    );
    expect((await exported()).baseline).toEqual(manifest.baseline);
  });

  test('is absent of manifests of before, which are read and repeated as they are', async () => {
    const { baseline: _, ...before } = await exported();
    expect(baselineOf(before as TrainingManifest)).toBeNull();
    expect(await exported({ repeatOf: before })).toEqual(before);
  });

  test('has so much room: the largest sketches go first, and it says so', () => {
    const of = (size: number): BaselineFeature => ({ nulls: 1, sum: 2, squares: 3, zeros: 4, bins: 'x'.repeat(size) });
    const features = Array.from({ length: 30 }, (_, n): [string, BaselineFeature] => [
      `f${n}`,
      of(n === 7 ? 60_000 : 20_000),
    ]);
    const fitted = withinRoom(features);
    expect(fitted.map(([column]) => column)).toEqual(features.map(([column]) => column));
    const dropped = fitted.filter(([, feature]) => feature.dropped).map(([column]) => column);
    // Of equal ones those of later names.
    expect(dropped).toEqual(['f6', 'f7', 'f8', 'f9']);
    expect(fitted.reduce((sum, [, { bins = '' }]) => sum + bins.length, 0)).toBeLessThanOrEqual(2 ** 19);
    expect(fitted.find(([column]) => column === 'f7')![1]).toEqual({
      nulls: 1,
      sum: 2,
      squares: 3,
      zeros: 4,
      dropped: true,
    });
    expect(withinRoom(features.slice(0, 3))).toEqual(features.slice(0, 3));
  });
});
