/** A feature is changed, from the definition to the version that goes: by command line and Temporal UI, with readers and producers at work throughout. */
import { deepStrictEqual as deepEqual, strictEqual as equal } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { startFormUrl, workflowUrl } from '../../cli/with-temporal.ts';
import type { FeatureLock } from '../../engine/define/feature-lock.ts';
import type { FeatureView } from '../../engine/define/feature-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createClient, type FeatureClient } from '../../engine/online/client.ts';
import type { VersionsDiff } from '../../engine/versions/diff-types.ts';
import type { PlannedView } from '../../engine/versions/plan-against-live.ts';
import type { AuditSummary } from '../../workflows/audit-parity/contract.ts';
import type { LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { detailsSay, isLeftOut, launchBrowser, newPage, sendUpdate, startByForm } from './temporal-ui.ts';

const TIMEOUT_MS = 480_000;
const KEPT_SECONDS = 60;
const TICK_MS = 20;
const RECORDS_PER_TICK = 20;
const READS_PER_TICK = 4;
const BEFORE = ", signed: f.sum('amount')";
const AFTER = ", signed: f.sum((e) => 0 - e.amount, { type: z.int() }), most: f.max('amount')";

let world: ClicksWorld | null = null;
let browser: Browser | null = null;
let load: Load | null = null;
const clients: FeatureClient[] = [];

beforeAll(async () => {
  if (isLeftOut) return;
  browser = await launchBrowser();
  world = await ClicksWorld.open(inject('stack'), `change-${process.pid}`);
  world.writeHistory(world.make(20_000));
  await world.send(world.make(2_000));
  world.define(BEFORE);
  await world.startWorker();
});
afterAll(async () => {
  await load?.stop().catch(() => undefined);
  for (const client of clients) await client.close();
  await browser?.close();
  await world?.close();
});

/** A program that was written with the definitions of now. */
async function programOf(
  of: ClicksWorld,
): Promise<{ view: FeatureView; client: FeatureClient; locked: FeatureClient }> {
  const folder = join(of.folder, 'features');
  const { definitions } = await importDefinitions(folder);
  const view = definitions.map(({ value }) => value).find((value) => value.kind === 'feature-view');
  if (view === undefined) throw new Error('no view');
  const lock = JSON.parse(readFileSync(join(of.folder, 'millrace.lock.json'), 'utf8')) as FeatureLock;
  const servingLog = { kafka: { brokers: inject('stack').kafkaBrokers }, topic: of.servedTopic, sample: 1 };
  const client = createClient({ pool: of.pool, lock, accept: 'live', servingLog });
  const locked = createClient({ pool: of.pool, lock, servingLog });
  clients.push(client, locked);
  return { view, client, locked };
}

/** 1,000 records and 200 reads a second, until it is stopped. */
class Load {
  readonly versions = new Set<number>();
  reads = 0;
  records = 0;
  readonly failed: unknown[] = [];
  readonly #world: ClicksWorld;
  readonly #readers: (() => Promise<void>)[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #under: Set<Promise<void>> = new Set();
  #sent: Promise<void> = Promise.resolve();

  constructor(of: ClicksWorld) {
    this.#world = of;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Reads what this program's features are: all of one version, whichever that is. */
  add({ view, client, locked }: Awaited<ReturnType<typeof programOf>>): void {
    const key = (): { person: string } => ({ person: `u${this.reads % 7}` });
    this.#readers.push(
      async () => {
        const { values, errors, version, found } = await client.get(view, key(), { features: ['total', 'signed'] });
        const { total, signed } = values as { total: number; signed: number };
        // What total and signed are to one another tells of which definition each is.
        deepEqual(
          { version, found, errors, signed },
          {
            version,
            found: true,
            errors: null,
            signed: version === 1 ? total : 0 - total,
          },
        );
        this.versions.add(version);
      },
      async () => {
        const { values, errors } = await locked.get(view, key(), { features: ['n', 'total', 'last_amount'] });
        equal(errors, null);
        equal(
          Object.values(values).every((value) => typeof value === 'number'),
          true,
        );
      },
    );
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sent;
    await Promise.all(this.#under);
    deepEqual(this.failed, []);
  }

  #tick(): void {
    const clicks = this.#world.make(RECORDS_PER_TICK);
    this.records += clicks.length;
    this.#sent = this.#sent
      .then(() => this.#world.send(clicks))
      .catch((error: unknown) => void this.failed.push(error));
    for (let index = 0; index < READS_PER_TICK && this.#readers.length > 0; index++) {
      const reader = this.#readers[this.reads++ % this.#readers.length]!;
      const read = reader()
        .catch((error: unknown) => void this.failed.push(error))
        .finally(() => this.#under.delete(read));
      this.#under.add(read);
    }
  }
}

it.skipIf(isLeftOut)(
  'change → plan --against live → apply → candidate → diff → approve → rollback → approve → the old version goes',
  { timeout: TIMEOUT_MS },
  async () => {
    if (world === null || browser === null) throw new Error('there is no browser');
    const { view, variables, taskQueue } = world;
    const cli = async <T>(...args: string[]): Promise<T> => {
      const { exitCode, stdout, stderr } = await runCli([...args, '--json'], variables);
      if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with ${exitCode}: ${stderr}`);
      if (load !== null) expect(load.failed).toEqual([]);
      return JSON.parse(stdout) as T;
    };
    const stack = inject('stack');
    const temporal = { address: stack.temporalAddress, namespace: stack.temporalNamespace, uiUrl: stack.temporalUiUrl };
    const id = installationNames().lifecycleId(view);
    const url = workflowUrl(temporal, id);

    await cli('apply');
    const page: Page = await newPage(browser);
    const input = { view, options: { keepPreviousHours: KEPT_SECONDS / 3600, sliceSeconds: 20 } };
    await startByForm(page, startFormUrl(temporal, taskQueue), { id, input, taskQueue });
    await detailsSay(page, url, `${view}: published`);
    await sendUpdate(page, 'promote');
    await detailsSay(page, url, `${view}: streaming`);
    load = new Load(world);
    load.add(await programOf(world));

    world.define(AFTER);
    const [planned] = await cli<readonly PlannedView[]>('plan', '--against', 'live');
    expect(planned).toMatchObject({
      view,
      change: 'changed',
      difference: { featuresAdded: ['most'], featuresRemoved: [], featuresChanged: [{ name: 'signed' }] },
      sample: { entities: 7, cells: 35, differing: 7 },
    });
    await cli('apply', '--message', 'the sign is turned');
    load.add(await programOf(world));
    const candidate = await eventually(async () => {
      const status = await cli<LifecycleStatus>('status', view);
      return status.candidate?.isCaughtUp === true && status;
    });
    expect(candidate).toMatchObject({ version: 1, candidate: { version: 2 } });

    const diff = await cli<VersionsDiff>('diff', view);
    const signed = diff.features.find(({ feature }) => feature === 'signed')!;
    expect(signed).toMatchObject({ cells: 7, differing: 7 });
    expect(diff).toMatchObject({ entities: 7, differing: 7, onlyAfter: ['most'] });

    await detailsSay(page, url, `${view}: streaming`);
    await sendUpdate(page, 'approve');
    await eventually(async () => (await cli<LifecycleStatus>('status', view)).version === 2);
    const seen = load;
    await eventually(() => seen.versions.has(2));
    expect(await cli('rollback', view, '--version', '1')).toMatchObject({ version: 1, previous: { version: 2 } });
    expect(await cli('approve', view, '--version', '2')).toMatchObject({ version: 2, previous: { version: 1 } });
    await eventually(async () => (await cli<LifecycleStatus>('status', view)).previous === null);
    await load.stop();
    expect([...load.versions].toSorted()).toEqual([1, 2]);

    const versions = await cli<readonly { version: number; role: string }[]>('versions', view);
    expect(versions.find(({ version }) => version === 2)).toMatchObject({ role: 'live' });
    for (const client of clients.splice(0)) await client.close();
    // Reads of both versions, each replayed by its own code.
    const audit = await cli<AuditSummary>('audit', view);
    expect(audit).toMatchObject({ verdict: 'equal', version: 2, cellsDiffering: 0 });
    expect(audit.reads).toBeGreaterThan(load.reads * 0.9);
    process.stderr.write(
      `change-a-feature: ${load.records} records, ${load.reads} reads, 0 failed; planned and found ${diff.differing} of ${diff.cells} cells to differ; audit of ${audit.reads} reads equal\n`,
    );
  },
);
