/**
 * Restores the fixture into a folder and sees, with the release that made it, that all three views go on: what is served, new records,
 * duplicates, the archive, the audits. With `--record` it notes what is served after the later records in `expected.json`.
 *
 * Usage: node verify-fixture.ts --checkout DIR --folder DIR [--record] [--keep]
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { READ_ENTITIES, type TopicRecord } from './events.ts';
import { type Dev, type EntityRead, eventually, note, Release, type ViewStatus } from './release.ts';
import { pointAtFolder, unpack } from './restore-fixture.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

type Reads = Readonly<Record<string, readonly Partial<EntityRead>[]>>;

/** What this looks at in `expected.json`. */
interface Expected {
  readonly folder: string;
  readonly at: string;
  readonly views: Readonly<
    Record<
      string,
      Pick<ViewStatus, 'phase' | 'version' | 'fingerprint' | 'lag'> & { readonly reads: readonly EntityRead[] }
    >
  >;
  readonly later: {
    readonly at: string;
    readonly records: Readonly<Record<string, readonly TopicRecord[]>>;
    readonly reads?: Reads;
  };
}

/** Every view is in the phase it was left in, and serves what it served. */
async function servesOn(release: Release, dev: Dev, expected: Expected): Promise<void> {
  await eventually('all views are as they were left', async () => {
    const statuses = await release.status();
    for (const [view, { phase, version, fingerprint, lag }] of Object.entries(expected.views)) {
      const status = statuses.get(view);
      if (status?.error != null) throw new Error(`${view}: ${status.error.code}: ${status.error.message}`);
      if (status?.phase !== phase || status.lag !== lag) return null;
      assert.deepEqual([status.version, status.fingerprint], [version, fingerprint]);
    }
    return true;
  });
  for (const [view, { reads }] of Object.entries(expected.views)) {
    const entities = reads.map(({ entity }) => entity);
    assert.deepEqual(await dev.read(view, entities, expected.at), reads);
    note(`${view}: serves on, ${reads.length} entities equal`);
  }
}

/** New records reach every view; gives what is then served. */
async function goesOn(release: Release, dev: Dev, { later }: Expected): Promise<Reads> {
  const before = await release.status();
  for (const [topic, records] of Object.entries(later.records)) await dev.send(topic, records);
  for (const view of ['customer_orders', 'vehicle_rides']) await dev.caughtUp(view);
  await release.run('refresh', 'page_visits', '--wait');
  const after = await release.status();
  const grown = (view: string, count: string): number =>
    (after.get(view)?.counts[count] ?? 0) - (before.get(view)?.counts[count] ?? 0);
  assert.equal(grown('customer_orders', 'records'), 10);
  assert.equal(grown('customer_orders', 'duplicates'), 2);
  assert.equal(grown('vehicle_rides', 'applied'), 5);
  assert.equal(grown('page_visits', 'duplicates'), 1);
  for (const { view, phase, lag, error } of after.values())
    assert.deepEqual([view, lag, error], [view, 0, null], phase);
  const reads: Record<string, Partial<EntityRead>[]> = {};
  for (const [view, entities] of Object.entries(READ_ENTITIES)) {
    // How many commits it took is not told by the log.
    reads[view] = (await dev.read(view, entities, later.at)).map((read) => ({ ...read, seq: null }));
  }
  return reads;
}

/** The archives go on by themselves, and the log still says what is served; that of the third view is gone. */
async function logsHold(release: Release, dev: Dev): Promise<void> {
  await eventually('the archive of orders has the new records', async () => {
    const { partitions } = (await release.run('log', 'orders')) as { partitions: readonly { lag: number }[] };
    return partitions.every(({ lag }) => lag === 0) ? true : null;
  });
  for (const view of ['customer_orders', 'page_visits']) {
    const audit = (await release.run('audit', view)) as { verdict: string; cellsCompared: number; reads: number };
    assert.equal(audit.verdict, 'equal');
    note(`${view}: audit equal, ${audit.cellsCompared} cells, ${audit.reads} logged reads`);
  }
  await assert.rejects(release.run('audit', 'vehicle_rides'), /offsets-gone/);
  assert.ok((await dev.bounds('rides')).every(({ low }) => low > 0));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      checkout: { type: 'string' },
      folder: { type: 'string' },
      record: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const { checkout, folder, record, keep } = values;
  if (checkout === undefined || folder === undefined)
    throw new Error('usage: node verify-fixture.ts --checkout DIR --folder DIR [--record] [--keep]');
  const file = join(HERE, 'expected.json');
  const expected = JSON.parse(readFileSync(file, 'utf8')) as Expected;
  const release = new Release(checkout, folder);
  await unpack(join(HERE, 'previous-release.tar.zst'), release.folder);
  await pointAtFolder(release, expected.folder);
  const dev = await release.startDev(`${release.folder}.log`, []);
  try {
    await servesOn(release, dev, expected);
    const reads = await goesOn(release, dev, expected);
    if (record)
      writeFileSync(file, `${JSON.stringify({ ...expected, later: { ...expected.later, reads } }, null, 1)}\n`);
    else assert.deepEqual(reads, expected.later.reads);
    await logsHold(release, dev);
  } finally {
    await dev.stop();
  }
  if (!keep)
    for (const path of [release.folder, `${release.folder}.log`]) rmSync(path, { recursive: true, force: true });
  note(`verified in ${release.folder}`);
}

await main();
