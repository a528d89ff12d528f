import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, sendVersionCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import type { FeatureService } from '../../engine/define/feature-service.ts';
import type { FeatureView } from '../../engine/define/feature-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import type { AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import type { ExportSummary } from '../../workflows/export-training-set/contract.ts';
import type { LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { readParquet } from '../training/training-fixture.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';
import { type Payment, PAYMENTS, paymentsOf, paymentsText } from './payments.ts';
import { TwoDefinitions } from './two-definitions.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Of the same states: another default, another derived feature, and what expires sooner. */
const SECOND = { expireDays: 1, fill: -1, factor: 10 };
const PEOPLE = ['u0', 'u1', 'u2', 'u3'];
const GONE = Array.from({ length: 30 }, (_, n) => `u${20 + n}`);
const FEATURES = ['n_1d', 'total_3d', 'by_kind', 'kinds', 'recent', 'spread', 'share'];
const LATER_GONE = Array.from({ length: 30 }, (_, n) => `u${60 + n}`);

let two: TwoDefinitions;
let world: ClicksWorld;
let client: FeatureClient;
/** Of either definition. */
let services: readonly FeatureService[];
let views: readonly FeatureView[];
let opened: () => FeatureClient;
const all: Payment[] = [];
/** A moment at which the refreshed view was served, and what had been sent by then. */
let before: { readonly atMs: number; readonly payments: readonly Payment[] };
const nowMs = Date.now();
/** The stream comes up to the present only once it is promoted. */
const earlierMs = nowMs - 10 * DAY;

function pay(person: string, atMs: number, more: Partial<Payment> = {}): Payment {
  const n = all.length;
  const made = {
    id: `p${n}`,
    at: new Date(atMs).toISOString(),
    person,
    kind: `k${n % 3}`,
    amount: (n % 7) + 1,
    ...more,
  };
  all.push(made);
  return made;
}

/** What happened in the three days before, some of it at one time, some of it dropped. */
function activity(beforeMs: number): Payment[] {
  return PEOPLE.flatMap((person, p) =>
    Array.from({ length: 40 }, (_, n) =>
      pay(person, beforeMs - Math.floor((n * (p + 1) * 5 * HOUR) / 7) - 1, n % 9 === 4 ? { amount: 13 } : {}),
    ),
  );
}

beforeAll(async () => {
  const stack = inject('stack');
  const harness = await LifecycleHarness.open(stack);
  world = await ClicksWorld.open(stack, harness.taskQueue);
  const old = GONE.map((person, n) => pay(person, earlierMs - (6 + n / 10) * DAY));
  world.writeHistory([...old, ...activity(earlierMs)]);
  await world.send(LATER_GONE.map((person, n) => pay(person, earlierMs - n * HOUR)));
  const texts = [PAYMENTS, SECOND].map((definition) => paymentsText(world, definition)) as [string, string];
  services = [];
  views = [];
  for (const text of texts) {
    world.write(text);
    const { definitions } = await importDefinitions(join(world.folder, 'features'));
    services = [...services, ...definitions.flatMap(({ value }) => (value.kind === 'feature-service' ? [value] : []))];
    views = [...views, ...definitions.flatMap(({ value }) => (value.kind === 'feature-view' ? [value] : []))];
  }
  two = await TwoDefinitions.of(stack, harness, world, texts);
  const servingLog = { kafka: { brokers: [...stack.kafkaBrokers] }, topic: world.servedTopic, sample: 1 };
  opened = () => createClient({ pool: world.pool, servingLog });
  client = opened();
});
afterAll(async () => {
  await client?.close();
  await two?.close();
});

const status = (): Promise<LifecycleStatus> => two.harness.status(two.lifecycle);

async function stored(): Promise<string[]> {
  const live = await liveVersion(world.pool, world.view);
  const { rows } = await world.pool.query<{ person: string }>(
    `SELECT person FROM ${stateTable(live?.stateTable ?? '')} ORDER BY person`,
  );
  return rows.map(({ person }) => person);
}

const expired = async (): Promise<number> => (await liveVersion(world.pool, world.view))?.expiredRows ?? -1;

/** One who was never there is among them, and one that is in both roles. */
const COUPLES = [
  ['u0', 'u1'],
  ['u2', 'u2'],
  ['u3', 'u999'],
  [GONE[0]!, LATER_GONE[0]!],
] as const;

/** A read of a view, as nobody's types say it. */
interface Answer {
  readonly values: Readonly<Record<string, unknown>>;
  readonly found?: boolean;
}

/** Reads couples as they pay each other, in the three roles there are; everything is what it comes to from scratch. */
async function servedInFull(
  atMs: number,
  definition = PAYMENTS,
  couples: readonly (readonly [string, string])[] = COUPLES,
): Promise<void> {
  const service = services[definition === PAYMENTS ? 0 : 1]!;
  for (const [payer, payee] of couples) {
    const key = { payer, payee, person: payee };
    const asked = { at: new Date(atMs), request: { amount: 4 } };
    const read: Readonly<Record<string, Answer>> = await client.getService(service, key, asked);
    for (const [role, person] of [
      ['payer', payer],
      ['payee', payee],
      [world.view, payee],
    ] as const) {
      const expected = paymentsOf(all, person, atMs, definition);
      const { found, values } = read[role]!;
      expect({ person, found, ...plain(values) }).toEqual({ person, found: expected.found, ...close(expected.values) });
    }
    const total = paymentsOf(all, payer, atMs, definition).values['total_3d'] as number;
    expect(read[`${world.view}_service`]).toMatchObject({ values: { ratio: total / 4 }, errors: null });
    expect(read['payee']).toEqual(read[world.view]);
  }
}

/** Of maps their entries. */
function plain(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { ...values, by_kind: entries(values['by_kind']), kinds: entries(values['kinds']) };
}

function entries(map: unknown): unknown {
  return map === null ? null : Object.fromEntries(Object.entries(map as object));
}

/** A quantile is as close as its accuracy says. */
function close(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const spread = values['spread'] as readonly number[] | null;
  const near = (value: number): unknown => expect.closeTo(value, -Math.log10(2 * 0.01 * Math.abs(value)));
  return { ...values, spread: spread === null ? null : spread.map(near) };
}

async function audit(): Promise<AuditResultSummary> {
  return (await two.harness.client.workflow.execute('auditParity', {
    workflowId: installationNames().auditId(world.view, randomUUID()),
    taskQueue: two.harness.taskQueue,
    args: [{ view: world.view }],
  })) as AuditResultSummary;
}

async function exported(name: string, more: object): Promise<ExportSummary> {
  return (await two.harness.client.workflow.execute('exportTrainingSet', {
    workflowId: `export:${world.view}:${name}`,
    taskQueue: two.harness.taskQueue,
    args: [{ service: `${world.view}_service`, spine: 'spine.jsonl', out: `${name}.parquet`, ...more }],
  })) as ExportSummary;
}

describe('a view of maps, lists and what is derived of them, that expires, and is read in roles', {
  timeout: 240_000,
}, () => {
  it('is backfilled with what has expired, and published', async () => {
    const { client: temporal, taskQueue } = two.harness;
    await startLifecycle(temporal, world.view, { sliceSeconds: 5, catchUpLag: 0 }, taskQueue);
    await two.harness.reach(two.lifecycle, 'published');
    expect(await stored()).toEqual([...PEOPLE, ...GONE, ...LATER_GONE].toSorted());
    expect(await expired()).toBe(0);
    await servedInFull(earlierMs + 1);
  });

  it('loses by a refresh the rows that no read sees any more, by its watermark', async () => {
    await sendCommand(two.harness.client, world.view, 'refresh');
    await eventually(async () => (await expired()) === GONE.length && (await status()).phase === 'published');
    expect(await stored()).toEqual([...PEOPLE, ...LATER_GONE].toSorted());
    await servedInFull(earlierMs + 1);
    before = { atMs: Date.now(), payments: [...all] };
  });

  it('is proven without them, and streams', async () => {
    await sendCommand(two.harness.client, world.view, 'promote');
    const { proof } = await two.harness.reach(two.lifecycle, 'streaming');
    // Those that a read at the watermark sees.
    const seen = [...PEOPLE, ...LATER_GONE].filter((person) => paymentsOf(all, person, earlierMs + 1, PAYMENTS).found);
    expect(proof).toMatchObject({ verdict: 'equal', entities: seen.length, cellsDiffering: 0 });
  });

  it('loses rows while it streams, and gives those that come back what it would have given had they stayed', async () => {
    await world.send(activity(nowMs));
    await eventually(async () => (await expired()) === GONE.length + LATER_GONE.length);
    expect(await stored()).toEqual(PEOPLE);
    // Later than the windows, within them, and new.
    const back = [
      pay(GONE[0]!, nowMs - 9 * DAY),
      pay(LATER_GONE[0]!, nowMs - 60 * HOUR),
      pay(LATER_GONE[0]!, nowMs - HOUR),
      pay(LATER_GONE[1]!, nowMs - 47 * HOUR),
      pay(LATER_GONE[2]!, nowMs - 49 * HOUR),
    ];
    await world.send(back);
    await eventually(async () => (await stored()).length === PEOPLE.length + 4);
    await servedInFull(nowMs, PAYMENTS, [...COUPLES, [LATER_GONE[1]!, LATER_GONE[2]!]]);
  });

  it('is audited, as it is stored and as it was served', async () => {
    await servedInFull(Date.now());
    await client.close();
    client = opened();
    const found = await audit();
    expect(found).toMatchObject({ verdict: 'equal', cellsDiffering: 0, differences: [] });
    // Those of a time before what is served now had expired already are told, and not compared.
    expect(found.verdict !== 'not-served' && [found.reads + found.skipped['row-expired']!, found.skipped]).toEqual([
      3 * (4 + 4 + 5 + 4),
      { 'row-expired': expect.any(Number) },
    ]);
  });

  it('is exported in roles by event time, with the request and what is derived, and as it was served; the modes are compared', async () => {
    const couples = [...COUPLES, [LATER_GONE[1]!, LATER_GONE[2]!]] as const;
    const times = [earlierMs, nowMs - 25 * HOUR, nowMs, before.atMs, Date.now()];
    const spine = couples.flatMap(([payer, payee]) =>
      times.map((atMs) => ({ event_timestamp: new Date(atMs).toISOString(), payer, payee, person: payer, amount: 5 })),
    );
    writeFileSync(join(world.folder, 'spine.jsonl'), spine.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const byTime = await exported('by-time', {});
    const expectedOf = (row: (typeof spine)[number], mode: string): Record<string, unknown> => {
      const atMs = Date.parse(row.event_timestamp);
      const known = atMs === before.atMs && mode === 'as-served' ? before.payments : all;
      const isServed = mode === 'event-time' || atMs >= before.atMs;
      const of = (person: string): Record<string, unknown> =>
        isServed ? inParquet(paymentsOf(known, person, atMs, PAYMENTS).values) : {};
      const blocks = { payer: of(row.payer), payee: of(row.payee), [world.view]: of(row.payer) };
      return Object.fromEntries(
        Object.entries(blocks).flatMap(([block, values]) =>
          FEATURES.map((feature) => [`${block}__${feature}`, values[feature] ?? null]),
        ),
      );
    };
    const rowsOf = async (of: ExportSummary): Promise<Record<string, unknown>[]> => [
      ...(await readParquet(of.out)).rows,
    ];
    const eventTime = await rowsOf(byTime);
    for (const [n, row] of spine.entries()) {
      expect(eventTime[n]).toMatchObject(expectedOf(row, 'event-time'));
      expect(eventTime[n]![`${world.view}_service__ratio`]).toBe(Number(eventTime[n]!['payer__total_3d']) / 5);
    }
    const served = await exported('served', { mode: 'as-served', compare: true });
    const asServed = await rowsOf(served);
    const ratio = `${world.view}_service__ratio`;
    // The service was never applied: nothing says what it derived then.
    for (const [n, row] of spine.entries())
      expect(asServed[n]).toMatchObject({ ...expectedOf(row, 'as-served'), [ratio]: null });
    const ofViews = FEATURES.flatMap((feature) =>
      ['payer', 'payee', world.view].map((block) => `${block}__${feature}`),
    );
    const columns = [...ofViews, ratio];
    const differing = (column: string): number =>
      spine.filter(
        (_, n) => JSON.stringify(eventTime[n]![column], texts) !== JSON.stringify(asServed[n]![column], texts),
      ).length;
    expect(served.comparison?.features.map(({ column, differing: count }) => [column, count]).toSorted()).toEqual(
      columns.map((column) => [column, differing(column)]).toSorted(),
    );
    expect(differing('payer__by_kind')).toBeGreaterThan(0);
    expect(differing('payee__recent')).toBeGreaterThan(0);
  });

  it('takes another default, another derived feature and an earlier expiry without a backfill, served and audited alike', async () => {
    const fingerprint = await two.applySecond();
    const waiting = await two.harness.until(two.lifecycle, ({ candidate }) => candidate?.isCaughtUp === true);
    expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint, madeFrom: 1 } });
    await sendVersionCommand(two.harness.client, world.view, 'approve', { version: 2 });
    await two.harness.until(two.lifecycle, ({ version, phase }) => version === 2 && phase === 'streaming');
    const couples = [...COUPLES, [LATER_GONE[1]!, LATER_GONE[2]!]] as const;
    await servedInFull(nowMs, SECOND, couples);
    await world.send(PEOPLE.slice(0, 2).map((person) => pay(person, Date.now(), { amount: 50 })));
    await eventually(isServed);
    await servedInFull(Date.now(), SECOND, couples);
    await client.close();
    client = opened();
    expect(await audit()).toMatchObject({ verdict: 'equal', version: 2, cellsDiffering: 0, differences: [] });
  });
});

/** Whether the newest payments are in what is served. */
async function isServed(): Promise<boolean> {
  const { values }: Answer = await client.get(views[1]!, { person: 'u1' });
  return values['n_1d'] === paymentsOf(all, 'u1', Date.now(), SECOND).values['n_1d'];
}

/** As a Parquet file has them: counts are 64 bits wide, maps are entries in the order of their keys. */
function inParquet(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { n_1d, total_3d, recent, by_kind, kinds, spread, share } = close(values);
  const big = (value: unknown): unknown => (value === null ? null : BigInt(value as number));
  const map = (of: unknown): unknown =>
    of === null
      ? null
      : Object.entries(of as Record<string, number>)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) => [key, big(value)]);
  return {
    n_1d: big(n_1d),
    total_3d: big(total_3d),
    by_kind: map(by_kind),
    kinds: map(kinds),
    recent: recent === null ? null : (recent as number[]).map(big),
    spread,
    share,
  };
}

const texts = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
