import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { watchServed } from '../../activities/watch-served.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import type { ViewRead } from '../../engine/online/view-read.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { firstOffsetFrom } from '../../engine/value-monitors/first-offset.ts';
import { monitorServed } from '../../engine/value-monitors/served-monitor.ts';
import { lawSeed } from '../laws/law-seed.ts';
import { openWorld, SERVED_TOPIC } from '../parity/parity-world.ts';
import { boardingsOf, gatesView, HOUR_MS, numbersOf, record, START_MS } from './gates.ts';

let world: Awaited<ReturnType<typeof openWorld>>;
let service: CompiledService;
beforeEach(async () => {
  const view = await gatesView();
  world = await openWorld(inject('stack').databaseUrl, { view, nowUs: START_MS * 1000, partitions: 1 });
  const block = { name: 'giver', view, columns: ['airport', 'gate'] };
  service = { name: 'model', blocks: [block], segments: ['airport'] };
});
afterEach(() => world.close());

interface Served {
  readonly object: 'model' | 'gates';
  readonly hourMs: number;
  readonly airport: string;
  readonly entity: string;
  readonly read: ViewRead;
}

function compute(fromMs: number, untilMs: number): Promise<number> {
  return monitorServed({
    pool: world.pool,
    reader: world.reader,
    topic: SERVED_TOPIC,
    services: new Map([['model', service]]),
    views: new Map([['gates', world.view]]),
    fromMs,
    untilMs,
  });
}

describe('what was served', () => {
  it('is told per hour, service, field and segment: of each entity the last read of the hour', async () => {
    await world.backfill();
    const boardings = boardingsOf(lawSeed);
    world.append(0, boardings.map(record));
    await world.stream();
    const fromMs = boardings.at(-1)!.atMs - (boardings.at(-1)!.atMs % HOUR_MS);
    const served: Served[] = [];
    let state = lawSeed >>> 0;
    const next = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let n = 0; n < 60; n++) {
      world.clock.us = (fromMs + Math.floor((n * 3 * HOUR_MS) / 60) + next(60_000)) * 1000;
      const keys = Array.from({ length: 1 + next(3) }, () => [['LAS', 'PHL', 'SEA', 'XXX'][next(4)]!, next(6)]);
      const unique = [...new Map(keys.map((key) => [key.join(), key])).values()];
      const reads = await world.serve(unique, next(4) === 0 ? { features: ['n_3h'] } : {});
      for (const [at, read] of reads.entries())
        served.push({
          // As the world serves: in turns by itself and in a role.
          object: n % 2 === 0 ? 'gates' : 'model',
          hourMs: Math.floor(world.clock.us / 1000 / HOUR_MS) * HOUR_MS,
          airport: String(unique[at]![0]),
          entity: unique[at]!.join(),
          read,
        });
    }
    expect(await compute(fromMs, fromMs + 3 * HOUR_MS)).toBeGreaterThan(0);
    const buckets = await readBuckets(world.pool, { place: 'served', segment: 'any', fromMs: 0, untilMs: fromMs * 2 });
    const of = (
      object: string,
      beginMs: number,
      field: string | null,
      airport: string | null,
    ): MonitorBucket | undefined =>
      buckets.find(
        (one) =>
          one.object === object &&
          one.beginMs === beginMs &&
          one.field === field &&
          (one.segment?.value ?? null) === airport,
      );
    for (const object of ['model', 'gates'] as const)
      for (let beginMs = fromMs; beginMs < fromMs + 3 * HOUR_MS; beginMs += HOUR_MS)
        for (const airport of [null, 'LAS', 'PHL', 'SEA', 'XXX']) {
          const own = served.filter(
            (one) => one.object === object && one.hourMs === beginMs && (airport === null || one.airport === airport),
          );
          const last = [...Map.groupBy(own, ({ entity }) => entity).values()].map((reads) => reads.at(-1)!.read);
          const found = last.filter((read) => read.found);
          if (own.length === 0) {
            expect(of(object, beginMs, null, airport)).toBeUndefined();
            continue;
          }
          expect(of(object, beginMs, null, airport)).toMatchObject({
            count: last.length,
            records: {
              found: found.length,
              leftOut: new Map(own.length === last.length ? [] : [['repeated-read', own.length - last.length]]),
              invalid: new Map(),
            },
          });
          const prefix = object === 'model' ? 'giver.' : '';
          for (const name of ['n_3h', 'delay_max_3h', 'twice']) {
            const cells = found.flatMap((read) => {
              const index = read.features.findIndex((feature) => feature.name === name);
              return index < 0 ? [] : [read.values[index] as number | null];
            });
            const bucket = of(object, beginMs, `${prefix}${name}`, airport);
            if (cells.length === 0) expect(bucket).toBeUndefined();
            else expect({ name, ...bucket }).toMatchObject({ name, count: cells.length, values: numbersOf(cells) });
          }
        }
    // Computed again, hour by hour and in another order, it is the same.
    for (const hour of [2, 0, 1]) await compute(fromMs + hour * HOUR_MS, fromMs + (hour + 1) * HOUR_MS);
    expect(await readBuckets(world.pool, { place: 'served', segment: 'any', fromMs: 0, untilMs: fromMs * 2 })).toEqual(
      buckets,
    );
  });

  it('by a version that nobody knows is counted, and has no values', async () => {
    await world.backfill();
    await world.serve([['LAS', 1]]);
    await world.pool.query(`UPDATE millrace_catalog.view_version SET fingerprint = 'another'`);
    await compute(START_MS, START_MS + HOUR_MS);
    const [only, ...more] = await readBuckets(world.pool, { place: 'served', fromMs: 0, untilMs: START_MS * 2 });
    expect(only).toMatchObject({ count: 1, records: { invalid: new Map([['unreadable', 1]]) } });
    expect(more).toEqual([]);
  });
});

it('the first offset of a time is found among thousands, over offsets without records', async () => {
  const broker = new MemoryBroker();
  broker.createTopic('t', 1);
  for (let n = 0; n < 3_000; n++)
    broker.append('t', 0, [{ key: null, value: Buffer.from('x'), timestampUs: Math.floor(n / 3) * 1_000_000 }]);
  const reader = createMemoryLogReader(broker);
  const [bounds] = (await reader.bounds('t')).partitions;
  for (const second of [-1, 0, 1, 500, 999, 1_000])
    expect(await firstOffsetFrom(reader, 't', bounds!, second * 1_000_000)).toBe(
      Math.min(3_000, Math.max(0, second * 3)),
    );
});

it('a worker tells of the hours that were closed since, once each', async () => {
  await world.backfill();
  const deps = {
    pool: world.pool,
    reader: world.reader,
    servedTopic: SERVED_TOPIC,
    definitions: { services: new Map(), views: new Map([['gates', world.view]]) },
    clock: world.clock,
  } as unknown as ActivityDeps;
  const begins = async (): Promise<number[]> =>
    (await readBuckets(world.pool, { place: 'served', field: null, fromMs: 0, untilMs: START_MS * 2 })).map(
      ({ beginMs }) => (beginMs - START_MS) / HOUR_MS,
    );
  const at = async (hours: number, entity?: [string, number]): Promise<void> => {
    world.clock.us = (START_MS + hours * HOUR_MS) * 1000;
    if (entity !== undefined) await world.serve([entity], {});
    await watchServed(deps, new AbortController().signal);
  };
  await at(0.5, ['LAS', 1]);
  await at(1.05);
  expect(await begins()).toEqual([]);
  await at(1.1);
  expect(await begins()).toEqual([0]);
  // Read by itself: the world's reads in a role are of a service that nobody knows here.
  await at(3.2);
  await at(3.5);
  expect(await begins()).toEqual([0]);
  await world.serve([['PHL', 2]], {});
  await at(4.2, ['PHL', 3]);
  expect(await begins()).toEqual([0, 3]);
});
