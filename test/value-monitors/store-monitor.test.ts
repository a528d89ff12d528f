import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { KeySample } from '../../engine/parity/key-sample.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { MOST_ENTITIES, monitorStore, storeBuckets } from '../../engine/value-monitors/store-monitor.ts';
import { entity, featureView, source } from '../../index.ts';
import { lawSeed } from '../laws/law-seed.ts';
import { openWorld } from '../parity/parity-world.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2001, 5, 1);

const seat = entity('seat', { airport: z.string(), gate: z.int() });
const boardings = source('boardings', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    airport: z.string(),
    gate: z.int(),
    delay: z.number().nullable(),
    line: z.enum(['A', 'B', 'C']),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'boardings',
});

async function compiled(expire?: '6h'): Promise<CompiledView> {
  const view = featureView('gates', {
    entity: seat,
    source: boardings,
    segments: ['airport'],
    ...(expire === undefined ? {} : { expire }),
    features: (f) => ({
      n_3h: f.count().over('3h'),
      delay_max_3h: f.max('delay').over('3h'),
      line_3h: f.last('line').over('3h'),
    }),
    derived: (d) => ({ twice: d.int((v) => v.n_3h * 2) }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  return views.get('gates')!;
}

interface Boarding {
  readonly atMs: number;
  readonly airport: string;
  readonly gate: number;
  readonly delay: number | null;
  readonly line: 'A' | 'B' | 'C';
}

/** In the order of time: some 20 hours of three airports, of which one falls silent. */
function boardingsOf(seed: number): Boarding[] {
  let state = seed >>> 0;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let atMs = START_MS + 1;
  return Array.from({ length: 70 }, (_, n): Boarding => {
    atMs += 1 + next(1_600_000);
    return {
      atMs,
      airport: ['LAS', 'PHL', n < 30 ? 'SEA' : 'LAS'][next(3)]!,
      gate: next(6),
      delay: next(4) === 0 ? null : (next(200) - 100) / 4,
      line: (['A', 'B', 'C'] as const)[next(3)]!,
    };
  });
}

let world: Awaited<ReturnType<typeof openWorld>>;
beforeEach(async () => {
  world = await openWorld(inject('stack').databaseUrl, {
    view: await compiled(),
    nowUs: START_MS * 1000,
    partitions: 1,
  });
});
afterEach(() => world.close());

function record(boarding: Boarding, id: number) {
  const { atMs, ...rest } = boarding;
  const value = Buffer.from(JSON.stringify({ id: `b${id}`, at: new Date(atMs).toISOString(), ...rest }));
  return { key: null, value, timestampUs: atMs * 1000 };
}

/**
 * What an hour's buckets are by the book: of every entity that has come so far, what is stored of it: with what came later and is of the tile that
 * begins with the hour's end, and without what no read from its newest event on can see.
 */
function expected(applied: readonly Boarding[], beginMs: number, airport: string | null, hopMs: number) {
  const endMs = beginMs + HOUR_MS;
  const entities = [...Map.groupBy(applied, (one) => `${one.airport} ${one.gate}`).values()].filter(
    ([first]) => airport === null || first!.airport === airport,
  );
  const found = entities.filter((own) => own.at(-1)!.atMs >= endMs - 3 * HOUR_MS);
  const windowFrom = (atMs: number): number => Math.floor((atMs - 3 * HOUR_MS) / hopMs) * hopMs;
  const inWindow = found.map((own) => {
    const fromMs = Math.max(windowFrom(endMs), windowFrom(own.at(-1)!.atMs));
    return own.filter(({ atMs }) => atMs >= fromMs && atMs < endMs + hopMs);
  });
  const counts = inWindow.map((own) => own.length);
  const maxima = inWindow.map((own) => {
    const delays = own.flatMap(({ delay }) => delay ?? []);
    return delays.length === 0 ? null : Math.max(...delays);
  });
  const lines = inWindow.map((own) => own.at(-1)?.line ?? null);
  return { entities: entities.length, found: found.length, counts, maxima, lines };
}

function numbersOf(values: readonly (number | null)[]): object {
  const given = values.filter((value) => value !== null);
  const bins = [...Map.groupBy(given.map(bucketOf(6)), (bin) => bin)].map(([bin, of]): [number, number] => [
    bin,
    of.length,
  ]);
  return {
    nulls: values.length - given.length,
    numbers: {
      sum: given.reduce((a, b) => a + b, 0),
      squares: given.reduce((a, b) => a + b * b, 0),
      zeros: given.filter((value) => value === 0).length,
    },
    bins: new Map(bins.sort(([a], [b]) => a - b)),
    top: null,
  };
}

const whole = (airport: string | null): MonitorBucket['segment'] =>
  airport === null ? null : { name: 'airport', value: airport };

describe('what is stored', () => {
  it('is looked at once the watermark passes an hour: per feature and segment, by the book', async () => {
    const all = boardingsOf(lawSeed);
    await world.backfill();
    const hopMs = world.view.layout.features[0]!.hopUs! / 1000;
    const beginsMs = new Set<number>();
    for (const [index, boarding] of all.entries()) {
      world.append(0, [record(boarding, index)]);
      await world.stream();
      const beginMs = Math.floor(boarding.atMs / HOUR_MS) * HOUR_MS - HOUR_MS;
      const isNew = !beginsMs.has(beginMs);
      beginsMs.add(beginMs);
      const looked = await monitorStore({ pool: world.pool, view: world.view });
      expect(looked?.beginMs ?? null).toBe(isNew ? beginMs : null);
      if (!isNew) continue;
      const applied = all.slice(0, index + 1);
      const buckets = await readBuckets(world.pool, {
        place: 'store',
        object: 'gates',
        segment: 'any',
        fromMs: beginMs,
        untilMs: beginMs + HOUR_MS,
      });
      const airports = [null, ...new Set(applied.map(({ airport }) => airport))];
      for (const airport of airports) {
        const { entities, found, counts, maxima, lines } = expected(applied, beginMs, airport, hopMs);
        const of = (field: string | null): MonitorBucket | undefined =>
          buckets.find((one) => one.field === field && JSON.stringify(one.segment) === JSON.stringify(whole(airport)));
        expect({ airport, ...of(null) }).toMatchObject({
          airport,
          count: entities,
          records: { found, invalid: new Map() },
        });
        if (found === 0) {
          expect(of('n_3h')).toBeUndefined();
          continue;
        }
        expect(of('n_3h')).toMatchObject({ count: found, values: numbersOf(counts) });
        expect(of('twice')).toMatchObject({ count: found, values: numbersOf(counts.map((count) => count * 2)) });
        expect(of('delay_max_3h')).toMatchObject({ count: found, values: numbersOf(maxima) });
        const given = lines.filter((line) => line !== null);
        const top = [...Map.groupBy(given, String)].map(([line, own]): [string, number] => [line, own.length]);
        expect(of('line_3h')).toMatchObject({ count: found, values: { nulls: found - given.length, numbers: null } });
        expect(of('line_3h')?.values?.top?.counts).toEqual(new Map(top));
      }
    }
    expect(beginsMs.size).toBeGreaterThan(5);
  });

  it('that is corrupt is counted, and has no values', async () => {
    await world.backfill();
    const [first, second] = [
      boardingsOf(1)[0]!,
      { ...boardingsOf(1)[0]!, airport: 'ORD', atMs: START_MS + 2 * HOUR_MS },
    ];
    world.append(0, [record(first, 0), record(second, 1)]);
    await world.stream();
    await world.corrupt('ORD', (bytes) => bytes.fill(7), false);
    await monitorStore({ pool: world.pool, view: world.view });
    const [records] = await readBuckets(world.pool, { place: 'store', field: null, fromMs: 0, untilMs: START_MS * 2 });
    expect(records).toMatchObject({ count: 2, records: { found: 1, invalid: new Map([['state-corrupt', 1]]) } });
  });

  it('of another definition than the live one, or of a view that is not served, is not looked at', async () => {
    expect(await monitorStore({ pool: world.pool, view: world.view })).toBeNull();
    await world.backfill();
    expect(await monitorStore({ pool: world.pool, view: world.view })).toBeNull();
    world.append(0, [record(boardingsOf(1)[0]!, 0)]);
    await world.stream();
    expect(await monitorStore({ pool: world.pool, view: { ...world.view, fingerprint: 'another' } })).toBeNull();
    expect(await monitorStore({ pool: world.pool, view: world.view })).not.toBeNull();
  });
});

it('the sample is the entities with the least hashes, at most 2,000', async () => {
  const view = await compiled('6h');
  const reducer = createViewReducer(view.layout, view.derived);
  const state = Buffer.from(reducer.encode(reducer.empty()));
  const rows = new Map(
    Array.from({ length: 2_300 }, (_, n) => [
      `${n}`,
      { key: [`a${n % 7}`, n], seq: 1, state, commitId: null, crc: null },
    ]),
  );
  const sample = new KeySample(view.layout, 1);
  const hashes = [...rows.values()]
    .map(({ key }) => ({ key, hash: sample.hashOf(key) }))
    .sort((a, b) => a.hash - b.hash);
  const taken = hashes.slice(0, MOST_ENTITIES);
  const buckets = storeBuckets(view, { rows, sample }, START_MS);
  expect(buckets.find(({ segment }) => segment === null)).toMatchObject({
    count: MOST_ENTITIES,
    records: { found: 0 },
  });
  const segments = buckets.filter(({ segment }) => segment !== null);
  expect(new Map(segments.map(({ segment, count }) => [segment!.value, count]))).toEqual(
    new Map([...Map.groupBy(taken, ({ key }) => `${key[0]}`)].map(([airport, own]) => [airport, own.length])),
  );
});
