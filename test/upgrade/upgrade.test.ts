/**
 * The data directory of the release before, under this release: see NOTES.md. One installation lives through the tests in their order, as an
 * upgraded one does.
 */
import { codeOf } from '../../engine/define/known-code.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { createClient } from '../../engine/online/client.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { liveVersions, versions } from '../../engine/postgres/view-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { gatherStatus, type ViewStatus } from '../../cli/view-status.ts';
import type { AuditSummary } from '../../workflows/audit-parity/contract.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { exactText, expectedText } from '../online/sql-values-as-text.ts';
import { TIES_SITE } from './events.ts';
import { customerOrders, pageVisits, vehicleRides } from './features/index.ts';
import type { EntityRead } from './release.ts';
import { expected, readOver, RestoredInstallation } from './restored-installation.ts';

const VIEWS = ['customer_orders', 'page_visits', 'vehicle_rides'] as const;
type View = (typeof VIEWS)[number];
const DEFINED = { customer_orders: customerOrders, page_visits: pageVisits, vehicle_rides: vehicleRides } as const;
const AT_US = Date.parse(expected.at) * 1000;

let installation: RestoredInstallation;
let definitions: Definitions;
let reader: LogReader;
let api: RunningApi;
let worker: ChildProcess;

beforeAll(async () => {
  installation = await RestoredInstallation.open((line) => process.stderr.write(`${line}\n`));
  const { pool, stack, features } = installation;
  definitions = await loadDefinitions(features);
  reader = withArchive(createKafkaLogReader({ ...stack.kafka, clientId: 'upgrade', clock: systemClock }), {
    pool,
    archiveDir: join(installation.folder, 'stack', 'archive'),
    duckdbTempDir: installation.folder,
  });
  // Readers are upgraded before workers: over a database that is not migrated.
  api = await startApi({ databaseUrl: stack.databaseUrl, definitions });
});
afterAll(async () => {
  await api?.close();
  await reader?.close();
  await installation?.close();
});

const valuesOf = (reads: readonly EntityRead[]): object[] =>
  reads.map(({ entity, values, found }) => ({ entity, values, found }));

async function statuses(): Promise<Readonly<Record<View, ViewStatus>>> {
  const { databaseUrl, kafka, temporal } = installation.stack;
  const found = await gatherStatus({ databaseUrl, kafka, temporal, installation: installationNames() });
  return Object.fromEntries(found.map((status) => [status.view, status])) as Record<View, ViewStatus>;
}

async function metrics(): Promise<string> {
  return await (await fetch(`${api.url}/metrics`)).text();
}

/** Sends what a topic gets after the upgrade. */
async function sendLater(topic: string): Promise<void> {
  await installation.write(topic, expected.later.records[topic]!);
}

/** What SQL gives of a view's expected entities at a time, each value as text without the loss of a bit, beside what the engine reads. */
async function overSql(view: View): Promise<{ sql: unknown[]; engine: unknown[] }> {
  const { pool } = installation;
  const version = (await liveVersions(pool)).find((live) => live.view === view)!;
  const { keys, features } = version.layout;
  const wanted = expected.views[view]!.reads.filter(({ found }) => found).map(({ entity }) => entity);
  const store = createOnlineStore({ pool, clock: systemClock });
  const key = (entity: EntityRead['entity']) => keys.map(({ name }) => entity[name] as string | number);
  const reads = await store.get(view, wanted.map(key), { atUs: AT_US });
  const columns = features.map(({ name, result }) => `${exactText(result, `"${name}"`)} AS "${name}"`).join(', ');
  const sql: unknown[] = [];
  for (const entity of wanted) {
    const conditions = keys.map(({ name }, index) => `"${name}" = $${index + 2}`).join(' AND ');
    const { rows } = await pool.query<Record<string, unknown>>(
      `SELECT ${columns} FROM millrace.${view}_at($1::timestamptz) WHERE ${conditions}`,
      [expected.at, ...key(entity)],
    );
    expect(rows).toHaveLength(1);
    sql.push(features.map(({ name }) => rows[0]![name]));
  }
  const engine = reads.map(({ values }) => values.map((value, index) => expectedText(features[index]!.result, value)));
  return { sql, engine };
}

/** Holds every surface to what the release before served. */
async function servesAsBefore(view: View, version: number): Promise<void> {
  const { reads } = expected.views[view]!;
  const served = await readOver(api.url, view, expected.at);
  expect(served.map((read) => ({ ...read, seq: null }))).toEqual(
    reads.map((read) => ({ ...read, version, seq: null })),
  );
  const { sql, engine } = await overSql(view);
  expect(sql).toEqual(engine);
  const client = createClient({ pool: installation.pool });
  const defined = DEFINED[view];
  for (const { entity, found } of reads) {
    const read = await client.get(defined, entity as never, { at: new Date(expected.at) });
    expect(read).toMatchObject({ found, version });
  }
  await client.close();
}

describe('an installation of the release before', () => {
  it('is served by the readers of this one, whoever migrates and builds', async () => {
    const { rows } = await installation.pool.query(
      `SELECT 1 FROM information_schema.columns WHERE table_name = 'view_version' AND column_name = 'semantics'`,
    );
    expect(rows).toEqual([]);
    for (const view of VIEWS) {
      await servesAsBefore(view, 1);
      expect(await readOver(api.url, view, expected.at)).toEqual(expected.views[view]!.reads);
    }
    expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
    expect(await metrics()).toMatch(/millrace_view_upgrading\{view="page_visits"\} 1/);
  });

  it('is recognised by its fingerprints, which this release gives the same definitions no more', async () => {
    for (const { name, fingerprint, fingerprintBefore } of definitions.views.values()) {
      expect(await fingerprintBefore?.()).toBe(expected.views[name]!.fingerprint);
      expect(fingerprint).not.toBe(expected.views[name]!.fingerprint);
    }
  });

  it('upgrades a streaming view by itself, proves it, and streams on', async () => {
    worker = await installation.startWorker('this');
    const status = await eventually(async () => {
      const now = await installation.status('customer_orders');
      return now.phase === 'streaming' && now.version === 2 && now;
    });
    expect(status).toMatchObject({
      upgrade: null,
      error: null,
      proof: { version: 2, verdict: 'equal', cellsDiffering: 0 },
    });
    const phases = await installation.phases('customer_orders');
    expect(phases.slice(phases.lastIndexOf('upgrading'))).toEqual(['upgrading', 'catching-up', 'proving', 'streaming']);
    await servesAsBefore('customer_orders', 2);
  });

  it('upgrades a published view that nothing would have woken', async () => {
    const status = await eventually(async () => {
      const now = await installation.status('page_visits');
      return now.phase === 'published' && now.version === 2 && now;
    });
    expect(status).toMatchObject({ upgrade: null, error: null, promoted: false });
    const phases = await installation.phases('page_visits');
    expect(phases.slice(phases.lastIndexOf('upgrading'))).toEqual(['upgrading', 'published']);
    // A version that takes over is brought to the present: what the one before had left unread is in it.
    expect((await statuses()).page_visits).toMatchObject({ phase: 'published', lag: 0, semantics: ENGINE_SEMANTICS });
  });

  it('does not flip a view to a log that has lost its head: it serves on, and says what is missing', async () => {
    const view = 'vehicle_rides';
    const status = await eventually(async () => {
      const now = await installation.status(view);
      return now.error !== null && now;
    });
    expect(status).toMatchObject({
      phase: 'upgrading',
      version: 1,
      promoted: true,
      upgrade: { from: 1, to: ENGINE_SEMANTICS },
      error: {
        code: 'offsets-gone',
        message: expect.stringMatching(/partition 0: 0 to 44, partition 1: 0 to 25/) as string,
        remedy: expect.stringContaining('"rebackfill" to accept the shorter log') as string,
      },
    });
    expect(status.accepts).toContain('rebackfill');
    await servesAsBefore(view, 1);
    expect(await versions(installation.pool, view)).toMatchObject([{ version: 1, status: 'live', semantics: 1 }]);
  });

  it('lets a view that waits stand still, and shows how far behind it is', async () => {
    const view = 'vehicle_rides';
    const before = await installation.offsets(view);
    await sendLater('rides');
    const sent = expected.later.records['rides']!.length;
    expect((await statuses())[view]).toMatchObject({ phase: 'upgrading', lag: sent, semantics: 1 });
    // A worker notes it for the metrics, and tells the lifecycle.
    const told = await eventually(async () => {
      const now = await installation.status(view);
      return now.lag === sent && now;
    });
    expect(told.phase).toBe('upgrading');
    expect((await installation.lifecycle(view).describe()).searchAttributes).toMatchObject({
      FeaturePhase: ['upgrading'],
      FeatureVersion: [1],
    });
    const scraped = await metrics();
    expect(scraped).toMatch(new RegExp(`millrace_view_lag_records\\{view="${view}"\\} ${sent}\\n`));
    expect(scraped).toMatch(new RegExp(`millrace_view_upgrading\\{view="${view}"\\} 1\\n`));
    expect(scraped).toMatch(/millrace_view_upgrading\{view="customer_orders"\} 0\n/);
    expect((await installation.offsets(view)).map(({ next }) => next)).toEqual(before.map(({ next }) => next));
    await servesAsBefore(view, 1);
  });

  it('answers `semantics-retired` to who would replay what was built before, and breaks no parity', async () => {
    const audit = async (view: View): Promise<AuditSummary> =>
      await installation.client.workflow.execute('auditParity', {
        workflowId: `audit:${view}:upgrade`,
        taskQueue: 'millrace',
        args: [{ view }],
      });
    const waiting = await audit('vehicle_rides');
    expect(waiting).toMatchObject({ version: 1, verdict: 'nothing-compared', cellsCompared: 0, cellsDiffering: 0 });
    // The reads that the release before logged, and the stored states.
    const { reads } = expected.views['vehicle_rides']!;
    expect(waiting.skipped).toEqual({ 'semantics-retired': reads.length + 5 });
    const upgraded = await audit('customer_orders');
    expect(upgraded).toMatchObject({ version: 2, verdict: 'equal', cellsDiffering: 0 });
    expect(upgraded.skipped['semantics-retired']).toBe(expected.views['customer_orders']!.reads.length);
    const spillDir = installation.folder;
    const explained = { pool: installation.pool, reader, archiveDir: null, key: [7], spillDir, clock: systemClock };
    await expect(
      explainFeatures({ ...explained, view: 'vehicle_rides', code: codeOf(definitions.views.values()) }),
    ).rejects.toMatchObject({ code: 'semantics-retired' });
    expect((await installation.status('vehicle_rides')).parity).toMatchObject({ verdict: 'equal' });
  });

  it('streams what comes on', async () => {
    await sendLater('orders');
    await eventually(async () => (await statuses()).customer_orders.lag === 0);
    const { at, reads } = expected.later;
    await eventually(
      async () =>
        (await readOver(api.url, 'customer_orders', at))[0]?.values['orders'] ===
        reads['customer_orders']![0]!.values['orders'],
    );
    expect(valuesOf(await readOver(api.url, 'customer_orders', at))).toEqual(valuesOf(reads['customer_orders']!));
    await sendLater('visits');
    await installation.send('page_visits', 'refresh');
    await eventually(async () => {
      const { phase, lag } = (await statuses()).page_visits;
      return phase === 'published' && lag === 0;
    });
    // Ids that are whole numbers go by value now: of the two visits of one instant the one numbered 100 is the last, and not 99.
    const byValue = {
      first_browser: 'browser of 99',
      first_browser_7d: 'browser of 99',
      last_browser: 'browser of 100',
      last_visit_30d: 100,
    };
    const wanted = reads['page_visits']!.map((read) =>
      read.entity['site'] === TIES_SITE ? { ...read, values: { ...read.values, ...byValue } } : read,
    );
    expect(wanted).not.toEqual(reads['page_visits']);
    expect(valuesOf(await readOver(api.url, 'page_visits', at))).toEqual(valuesOf(wanted));
  });

  it('accepts the shorter log when it is told to, and streams on from it', async () => {
    const view = 'vehicle_rides';
    await installation.send(view, 'rebackfill');
    const status = await eventually(async () => {
      const now = await installation.status(view);
      return now.phase === 'streaming' && now.version === 2 && now;
    });
    expect(status).toMatchObject({ upgrade: null, error: null, proof: { verdict: 'equal' } });
    await eventually(async () => (await statuses())[view].lag === 0);
    // 129 of 200 records are left, and those that came since.
    const rides = (await readOver(api.url, view, expected.later.at)).reduce(
      (sum, { values }) => sum + Number(values['rides']),
      0,
    );
    expect(rides).toBe(129 + expected.later.records['rides']!.length);
  });

  it('has stopped nobody', async () => {
    for (const view of VIEWS) expect(await installation.phases(view)).not.toContain('failed');
    for (const source of ['orders', 'visits', 'millrace_served']) {
      const handle = installation.client.workflow.getHandle(`archive:${source}`);
      expect((await handle.describe()).searchAttributes).toMatchObject({ ArchivePhase: ['archiving'] });
    }
    await installation.stopWorker(worker);
  });
});
