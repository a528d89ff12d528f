import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { readAlerts } from '../../engine/alerts/alert-store.ts';
import type { AlertEvent } from '../../engine/alerts/alert-event.ts';
import {
  evaluateMonitors,
  type EvaluateFailPoint,
  type EvaluateOptions,
} from '../../engine/alerts/evaluate-monitors.ts';
import { evaluateBucket } from '../../engine/alerts/evaluate-bucket.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { mergeBuckets } from '../../engine/alerts/merge-buckets.ts';
import { beginProgress, readSeries, writeSeries } from '../../engine/alerts/series-store.ts';
import { subjectOfKey } from '../../engine/alerts/subject-text.ts';
import { NO_PATHS } from '../../engine/alerts/monitor-paths.ts';
import { keptBuckets, versionFlips } from '../../engine/monitors/kept-buckets.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { waitingRecords } from '../../engine/postgres/outbox.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { clockAt, HOUR_MS, learn, likeSource, NOON_MS, type Odd, sourceHour } from './alert-world.ts';

const TOPIC = 'millrace.alerts';
const HOURS = 6;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
});
afterAll(() => database.close());

const TABLES = [
  'alert_acknowledgement',
  'alert_silence',
  'alert',
  'monitor_slot',
  'monitor_series',
  'monitor_progress',
];
const LEARNT = ['monitor_slot', 'monitor_series', 'monitor_progress', 'monitor_bucket'];
beforeAll(async () => {
  await learn(pool, NOON_MS, HOURS, (beginMs) => sourceHour(beginMs));
  for (const table of LEARNT) await pool.query(`CREATE TABLE learnt_${table} AS TABLE millrace_catalog.${table}`);
  await clear();
});
beforeEach(async () => {
  for (const table of LEARNT) await pool.query(`INSERT INTO millrace_catalog.${table} TABLE learnt_${table}`);
});
afterEach(clear);
async function clear(): Promise<void> {
  for (const table of [...TABLES, 'monitor_bucket', 'outbox', 'outbox_topic'])
    await pool.query(`DELETE FROM millrace_catalog.${table}`);
}

/** Writes hours from noon on, and evaluates up to their close. */
async function pass(
  hours: readonly (Odd | readonly MonitorBucket[])[],
  from = 0,
  options: Partial<EvaluateOptions> = {},
): Promise<AlertEvent[]> {
  const events: AlertEvent[] = [];
  for (const [index, hour] of hours.entries()) {
    const beginMs = NOON_MS + (from + index) * HOUR_MS;
    await writeBuckets(pool, Array.isArray(hour) ? hour : sourceHour(beginMs, hour as Odd));
    const clock = clockAt(beginMs + HOUR_MS + 5 * 60_000);
    const evaluated = await evaluateMonitors({ pool, clock, ...options });
    expect(evaluated).toMatchObject({ buckets: 1, behind: false, superseded: false });
    events.push(...evaluated.events);
  }
  return events;
}

async function inOutbox(): Promise<AlertEvent[]> {
  const waiting = await waitingRecords(pool, TOPIC, { records: 1_000, bytes: 1e9 });
  return waiting.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as AlertEvent);
}

class Crash extends Error {}

describe('the evaluation of monitors', { timeout: 300_000 }, () => {
  it('says nothing of hours like those of the weeks before', async () => {
    expect(await pass([{}, {}, {}, {}])).toEqual([]);
    expect(await readAlerts(pool)).toEqual([]);
  });

  it('opens once what is null for one origin, grows with what is made of it, and closes after three clean hours', async () => {
    const nulls = { nulls: { ATL: 1 } };
    const [opened, ...more] = await pass([nulls, nulls]);
    expect(more).toEqual([]);
    expect(opened).toMatchObject({
      change: 'opened',
      kind: 'coverage',
      place: 'producer',
      object: 'flights',
      field: 'delay',
      segment: { name: 'origin', value: 'ATL' },
      since: '2026-06-01T12:00Z',
      value: 0,
    });
    const [alert] = await readAlerts(pool, { state: 'open' });
    expect(alert).toMatchObject({ id: opened!.alert, lastMs: NOON_MS + HOUR_MS, clean: 0 });
    const closed = await pass([{}, {}, {}], 2);
    expect(closed).toMatchObject([{ change: 'closed', alert: opened!.alert, until: '2026-06-01T14:00Z' }]);
    expect(await inOutbox()).toEqual([opened, ...closed]);
    const [again] = await pass([nulls], 5);
    expect(again).toMatchObject({ change: 'reopened', alert: opened!.alert });
  });

  it('names the partition that came twice, the source that stopped, and records that are none', async () => {
    const twice = await pass([{ partition: { '1': 2 } }]);
    expect(twice).toMatchObject([{ kind: 'share', place: 'producer', segment: { name: 'partition', value: '1' } }]);
    const silent = await pass([{ volume: 0 }], 1);
    expect(silent).toMatchObject([
      { change: 'opened', kind: 'silence', place: 'source', field: null, segment: null, value: 0 },
    ]);
    const invalid = await pass([{ invalid: 200 }], 2);
    expect(invalid).toMatchObject([{ change: 'opened', kind: 'invalid', place: 'source' }]);
  });

  it('needs two hours of a unit that changed, and counts from the first', async () => {
    const hours = { unit: { DEN: 1 / 60 } };
    expect(await pass([hours])).toEqual([]);
    const events = await pass([hours], 1);
    expect(events).toMatchObject([
      {
        kind: 'mean',
        place: 'producer',
        field: 'delay',
        segment: { name: 'origin', value: 'DEN' },
        since: '2026-06-01T12:00Z',
      },
    ]);
  });

  it('tells with whom a feature and an answer come from, as one', async () => {
    const features = (beginMs: number, odd: Odd = {}): MonitorBucket[] => {
      const source = sourceHour(beginMs, odd);
      const many = Array.from({ length: 10 }, (_, index) => index);
      const store = many.flatMap((index) => likeSource(source, 'store', 'delays', () => `mean_${index}`));
      return [...source, ...store, ...likeSource(source, 'served', 'risk', () => 'delays.mean_0')];
    };
    for (const table of TABLES) await pool.query(`DELETE FROM millrace_catalog.${table}`);
    await learn(pool, NOON_MS, 2, (beginMs) => features(beginMs));
    const paths = {
      ...NO_PATHS,
      sourceOf: new Map([['delays', 'flights']]),
      viewsOf: new Map([['risk', ['delays']]]),
      fieldsOf: new Map(Array.from({ length: 10 }, (_, index) => [`delays.mean_${index}`, ['delay']])),
    };
    const events = await pass([features(NOON_MS, { nulls: { ORD: 0.9 } })], 0, { paths });
    expect(events).toMatchObject([{ change: 'opened', place: 'producer', field: 'delay', segment: { value: 'ORD' } }]);
    const [alert] = await readAlerts(pool);
    expect(new Set(alert!.members.map(({ subject }) => subject.object))).toEqual(
      new Set(['flights', 'delays', 'risk']),
    );
  });

  it('finds what a view does not keep any more, and says since which version', async () => {
    for (const table of TABLES) await pool.query(`DELETE FROM millrace_catalog.${table}`);
    const keep = (hour: number, version: number, offered: number, filtered: number): Promise<unknown> =>
      pool.query(
        `INSERT INTO millrace_catalog.view_hour (view, version, begin_ms, offered, filtered, null_key, failed, late)
         VALUES ('delays', ${version}, ${NOON_MS + hour * HOUR_MS}, ${offered}, ${filtered}, 0, 0, 0)`,
      );
    for (const hour of [0, 1, 2]) await keep(hour, 1, 900, hour === 1 ? 270 : 9);
    // It takes what the one before took, and more: no live one is there to tell.
    await keep(2, 2, 901, 450);
    const buckets = await keptBuckets(pool, { fromMs: NOON_MS, untilMs: NOON_MS + 3 * HOUR_MS });
    expect(buckets.map(({ count }) => count)).toEqual([891, 630, 451]);
    expect(await versionFlips(pool, 'watermark', { fromMs: NOON_MS, untilMs: NOON_MS + 3 * HOUR_MS })).toEqual(
      new Map([['delays', [NOON_MS + 2 * HOUR_MS]]]),
    );
    const usual = (beginMs: number): MonitorBucket[] => [...sourceHour(beginMs), { ...buckets[0]!, beginMs: beginMs }];
    await learn(pool, NOON_MS, 3, usual);
    const paths = { ...NO_PATHS, sourceOf: new Map([['delays', 'flights']]) };
    expect(await pass([{}, {}], 0, { paths })).toMatchObject([
      { change: 'opened', kind: 'kept', place: 'transformation', object: 'delays', since: '2026-06-01T13:00Z' },
    ]);
    await pool.query('DELETE FROM millrace_catalog.view_hour');
  });

  it('takes a version that readers got in the hour for the transformation that changed', async () => {
    const features = (beginMs: number, odd: Odd = {}): MonitorBucket[] => [
      ...sourceHour(beginMs),
      ...likeSource(sourceHour(beginMs, odd), 'store', 'delays', () => 'mean'),
    ];
    for (const table of TABLES) await pool.query(`DELETE FROM millrace_catalog.${table}`);
    await learn(pool, NOON_MS, 2, (beginMs) => features(beginMs));
    const served = [
      [1, 'superseded', -72, [[-100, -90]]],
      [2, 'live', 0.5, []],
    ] as const;
    const at = (hour: number): number => NOON_MS + hour * HOUR_MS;
    for (const [version, status, hour, before] of served)
      await pool.query(
        `INSERT INTO millrace_catalog.view_version
           (view, version, fingerprint, layout, layout_tag, status, state_table, source, published_at, served_before)
         VALUES ('delays', $1, 'f', '{}', 1, $2, 's', 'flights', to_timestamp($3::double precision / 1000), $4)`,
        [version, status, at(hour), JSON.stringify(before.map((span) => span.map((each) => at(each) * 1000)))],
      );
    const range = { fromMs: at(-200), untilMs: at(2) };
    expect(await versionFlips(pool, 'wall', range)).toEqual(new Map([['delays', [at(-72), at(0.5)]]]));
    const paths = { ...NO_PATHS, sourceOf: new Map([['delays', 'flights']]) };
    const lost = { nulls: { ATL: 0.5, ORD: 0.5, DEN: 0.5 } };
    expect(await pass([features(NOON_MS, lost)], 0, { paths })).toMatchObject([
      { kind: 'coverage', place: 'transformation', object: 'delays', field: 'mean' },
    ]);
    await pool.query('DELETE FROM millrace_catalog.view_version');
  });

  it('writes one event each, wherever it is killed, and however many evaluate', async () => {
    const points: EvaluateFailPoint[] = ['after-read', 'after-progress', 'before-commit', 'after-commit'];
    const course: readonly Odd[] = [{ nulls: { ATL: 1 } }, {}, {}, {}];
    for (const [hour, odd] of course.entries()) {
      const beginMs = NOON_MS + hour * HOUR_MS;
      await writeBuckets(pool, sourceHour(beginMs, odd));
      const clock = clockAt(beginMs + HOUR_MS + 5 * 60_000);
      for (const point of points) {
        const failAt = (at: EvaluateFailPoint): void => {
          if (at === point) throw new Crash(at);
        };
        const killed = evaluateMonitors({ pool, clock, failAt });
        // What died after its commit is done: nothing is due.
        await killed.catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
      }
      await Promise.all([1, 2, 3].map(() => evaluateMonitors({ pool, clock })));
    }
    const events = await inOutbox();
    expect(events.map(({ change }) => change)).toEqual(['opened', 'closed']);
    expect(new Set(events.map(({ id }) => id)).size).toBe(2);
  });

  it('closes what later records made as usual, and opens nothing of them', async () => {
    const [opened] = await pass([{ volume: 0 }]);
    expect(opened).toMatchObject({ change: 'opened', kind: 'silence' });
    // Half of them are no more as usual than none.
    await writeBuckets(pool, sourceHour(NOON_MS, { volume: 0.3 }));
    expect(await pass([{}], 1)).toEqual([]);
    await writeBuckets(pool, sourceHour(NOON_MS));
    // Of an hour that was evaluated nothing is opened any more.
    await writeBuckets(pool, sourceHour(NOON_MS + HOUR_MS, { nulls: { ATL: 1 } }));
    expect(await pass([{}], 2)).toMatchObject([{ change: 'closed', alert: opened!.alert }]);
    expect(await readAlerts(pool)).toMatchObject([{ state: 'closed', closedBy: 'amended', clean: 1 }]);
    const [lost] = await pass([{ nulls: { ATL: 1 } }], 3);
    await writeBuckets(pool, sourceHour(NOON_MS + 3 * HOUR_MS));
    expect(await pass([{}], 4)).toMatchObject([{ change: 'closed', alert: lost!.alert }]);
  });

  it('closes what is within the bounds of its monitor after all', async () => {
    const subject = { place: 'source', object: 'flights', field: null, segment: null } as const;
    const rules = [{ name: 'some', subject, metric: 'volume', least: 890, most: null } as const];
    const [opened, ...more] = await pass([{ volume: 0.9 }], 0, { rules });
    expect(opened).toMatchObject({ change: 'opened', kind: 'rule' });
    expect(more).toEqual([]);
    await writeBuckets(pool, sourceHour(NOON_MS, { volume: 1.1 }));
    expect(await pass([{ volume: 1.1 }], 1, { rules })).toMatchObject([{ change: 'closed', alert: opened!.alert }]);
  });

  it('raises nothing of what is before its start, and passes over what is older than weeks can tell', async () => {
    await pool.query('DELETE FROM millrace_catalog.monitor_progress');
    await pool.query('DELETE FROM millrace_catalog.monitor_bucket');
    for (const hour of [0, 1]) await writeBuckets(pool, sourceHour(NOON_MS + hour * HOUR_MS, { volume: 5 }));
    const first = await evaluateMonitors({ pool, clock: clockAt(NOON_MS + 2 * HOUR_MS + 300_000) });
    expect(first).toMatchObject({ buckets: 2, events: [] });
    const years = clockAt(NOON_MS + 5 * 365 * 24 * HOUR_MS);
    const jumped = await evaluateMonitors({ pool, clock: years });
    expect(jumped.behind).toBe(false);
    expect(jumped.buckets).toBeLessThan(10);
  });

  it('says nothing of events of last year, nor of a clock that goes back or jumps over hours that had records', async () => {
    await writeBuckets(pool, sourceHour(NOON_MS - 52 * 7 * 24 * HOUR_MS, { volume: 9, nulls: { ATL: 1 } }));
    expect(await pass([{}])).toEqual([]);
    const back = await evaluateMonitors({ pool, clock: clockAt(NOON_MS - 300 * 24 * HOUR_MS) });
    expect(back).toMatchObject({ buckets: 0, events: [], behind: false });
    for (const hour of [1, 2, 3]) await writeBuckets(pool, sourceHour(NOON_MS + hour * HOUR_MS));
    const ahead = await evaluateMonitors({ pool, clock: clockAt(NOON_MS + 4 * HOUR_MS + 300_000) });
    expect(ahead).toMatchObject({ buckets: 3, events: [] });
    // A state of then, and what came late for it: no evaluated bucket opens anything.
    await writeBuckets(pool, sourceHour(NOON_MS + HOUR_MS, { volume: 9 }));
    expect(await pass([{}], 4)).toEqual([]);
    expect(await readAlerts(pool)).toEqual([]);
  });

  it('judges by the day what has too few records an hour, once the day has closed', async () => {
    const dayMs = 24 * HOUR_MS;
    const beginMs = Math.floor(NOON_MS / dayMs) * dayMs;
    const small = (atMs: number, odd: Odd = {}): MonitorBucket[] =>
      sourceHour(atMs, { ...odd, volume: 0.025 }).map((bucket) => ({ ...bucket, object: 'charters' }));
    const day = (fromMs: number, odd: Odd = {}): MonitorBucket[] =>
      Array.from({ length: 24 }, (_, hour) => small(fromMs + hour * HOUR_MS, odd)).flat();
    for (const table of [...TABLES, 'monitor_bucket']) await pool.query(`DELETE FROM millrace_catalog.${table}`);
    for (let week = 8; week >= 1; week--) {
      const then = beginMs - week * 7 * dayMs;
      const kept = await readSeries(pool, 'day', then);
      const inputs = [...mergeBuckets(day(then), 'day', then)].map(([key, bucket]) => {
        const { past = [], memory = NO_MEMORY } = kept.get(key) ?? {};
        return { subject: subjectOfKey(key), bucket, reference: [], past, memory, isTested: false };
      });
      await writeSeries(pool, 'day', then, evaluateBucket('day', then, inputs).series, kept);
    }
    for (const grain of ['hour', 'day'] as const)
      await beginProgress(pool, grain, { nextMs: beginMs, watchFromMs: beginMs });
    await writeBuckets(pool, day(beginMs, { nulls: { ATL: 1 } }));
    const clock = clockAt(beginMs + dayMs + 299_999);
    // Its last hour has not closed, nor has the day: no hour says anything of a handful of records.
    expect(await evaluateMonitors({ pool, clock })).toMatchObject({ buckets: 23, events: [] });
    clock.set(beginMs + dayMs + 300_000);
    const { buckets, events } = await evaluateMonitors({ pool, clock });
    expect(buckets).toBe(2);
    expect(events).toMatchObject([
      {
        change: 'opened',
        kind: 'coverage',
        object: 'charters',
        field: 'delay',
        segment: { name: 'origin', value: 'ATL' },
        since: '2026-06-01T00:00Z',
      },
    ]);
    const [alert] = await readAlerts(pool);
    expect(alert).toMatchObject({ grain: 'day', state: 'open', headline: { value: 0 } });
    // It is amended as an hour is.
    await writeBuckets(pool, [...day(beginMs), ...day(beginMs + dayMs)]);
    clock.set(beginMs + 2 * dayMs + 300_000);
    const next = await evaluateMonitors({ pool, clock });
    expect(next).toMatchObject({ buckets: 25, events: [{ change: 'closed', alert: alert!.id }] });
  });

  it('has the time of what is replayed, where it is told to', async () => {
    await writeBuckets(pool, sourceHour(NOON_MS, { volume: 0.1 }));
    const options = { pool, clock: clockAt(NOON_MS + 1e12), time: 'watermark' } as const;
    expect(await evaluateMonitors(options)).toMatchObject({ nowMs: null, buckets: 0 });
    const told = (ms: number): Promise<unknown> =>
      pool.query(
        `INSERT INTO millrace_catalog.monitor_source (source, newest_ms, sketched, budget_bytes) VALUES ('flights', ${ms}, 0, 0)
         ON CONFLICT (source) DO UPDATE SET newest_ms = excluded.newest_ms`,
      );
    await told(NOON_MS + HOUR_MS + 299_999);
    expect(await evaluateMonitors(options)).toMatchObject({ buckets: 0 });
    await told(NOON_MS + HOUR_MS + 300_000);
    expect(await evaluateMonitors(options)).toMatchObject({ buckets: 1, events: [{ kind: 'volume' }] });
    await pool.query('DELETE FROM millrace_catalog.monitor_source');
  });
});
