/**
 * Makes `previous-release.tar.zst` and `expected.json` beside this file: a data directory of `millrace dev` as the release in a checkout
 * leaves it, with its definitions and history. See NOTES.md.
 *
 * Usage: node make-fixture.ts --checkout DIR [--folder DIR] [--out DIR]
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  AT,
  LATER_AT,
  orderEvents,
  READ_ENTITIES,
  rideEvents,
  type Row,
  type SourceEvents,
  visitEvents,
} from './events.ts';
import { packTree } from './packed-tree.ts';
import { type Dev, eventually, note, queryAt, Release } from './release.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const PARTITIONS = '2';
/** So that a test sees the archive go on soon after a restore. */
const SLICE_SECONDS = '15';
/** What is deleted of the topic that is not archived. */
const DELETED_SHARE = 0.4;
const VIEWS = ['customer_orders', 'page_visits', 'vehicle_rides'] as const;

const orders = orderEvents();
const visits = visitEvents();
const rides = rideEvents();

/** Lays out the folder: definitions, history and an empty data directory that Postgres' own user can enter. */
async function layOut(release: Release): Promise<void> {
  const { folder } = release;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  cpSync(join(HERE, 'features'), join(folder, 'features'), { recursive: true });
  mkdirSync(join(folder, 'data', 'orders'), { recursive: true });
  mkdirSync(join(folder, 'data', 'visits'), { recursive: true });
  await writeParquet(release, orders.history);
  writeFileSync(join(folder, 'data', 'visits', 'visits.jsonl'), linesOf(visits.history));
}

const linesOf = (rows: readonly Row[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Two files, as an export a month apart would leave them. */
async function writeParquet(release: Release, rows: readonly Row[]): Promise<void> {
  const half = Math.ceil(rows.length / 2);
  const connection = await (await release.duckdb.DuckDBInstance.create(':memory:')).connect();
  const draft = join(release.folder, 'orders.jsonl');
  try {
    await connection.run("SET TimeZone = 'UTC'");
    for (const [index, part] of [rows.slice(0, half), rows.slice(half)].entries()) {
      writeFileSync(draft, linesOf(part));
      await connection.run(`
        COPY (
          SELECT order_id, CAST(placed_at AS TIMESTAMPTZ) AS placed_at, customer, country, CAST(amount AS DECIMAL(10, 2)) AS amount,
            CAST(items AS INTEGER) AS items, weight, CAST(points AS BIGINT) AS points, express, note
          FROM read_json('${draft}', format = 'newline_delimited', columns = {order_id: 'VARCHAR', placed_at: 'VARCHAR', customer: 'VARCHAR',
            country: 'VARCHAR', amount: 'VARCHAR', items: 'INTEGER', weight: 'DOUBLE', points: 'VARCHAR', express: 'BOOLEAN', note: 'VARCHAR'})
        ) TO '${join(release.folder, 'data', 'orders', `orders-${index + 1}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`);
    }
  } finally {
    connection.closeSync();
    rmSync(draft, { force: true });
  }
}

/** Sends the next batch of a source. */
async function sendBatch(dev: Dev, events: SourceEvents, index: number): Promise<void> {
  await dev.send(events.topic, events.batches[index]!);
}

/** Waits until every record of a topic is archived. */
async function archived(dev: Dev, source: string): Promise<void> {
  await eventually(`${source} is archived`, async () => {
    const ends = new Map((await dev.bounds(source)).map(({ partition, end }) => [partition, end]));
    const rows = await dev.query<{ partition: number; next_offset: string }>(
      'SELECT partition, next_offset FROM millrace_catalog.archive_offset WHERE source = $1',
      [source],
    );
    return rows.length === ends.size && rows.every((at) => Number(at.next_offset) === ends.get(at.partition))
      ? true
      : null;
  });
}

/** The life of the three views up to where an upgrade finds them. */
async function live(release: Release, dev: Dev): Promise<void> {
  // What is compressed later must not hold old WAL.
  for (const setting of ['wal_recycle = off', "min_wal_size = '32MB'"]) await dev.query(`ALTER SYSTEM SET ${setting}`);
  await dev.query('SELECT pg_reload_conf()');
  for (const events of [orders, visits, rides]) await sendBatch(dev, events, 0);
  for (const source of ['orders', 'visits', 'millrace_served'])
    await release.run('archive', source, '--slice-seconds', SLICE_SECONDS);
  for (const view of VIEWS) await release.run('start', view, '--wait');

  await sendBatch(dev, visits, 1);
  await release.run('refresh', 'page_visits', '--wait');
  for (const events of [orders, rides]) await sendBatch(dev, events, 1);
  await release.run('promote', 'customer_orders', '--wait');
  await release.run('promote', 'vehicle_rides', '--wait');
  for (const events of [orders, rides]) await sendBatch(dev, events, 2);
  for (const view of ['customer_orders', 'vehicle_rides']) await dev.caughtUp(view);
  await archived(dev, 'orders');

  await dev.deleteHead('rides', DELETED_SHARE);
  await eventually('the head of rides is gone', async () =>
    (await dev.bounds('rides')).every(({ low }) => low > 0) ? true : null,
  );
  for (const events of [orders, rides]) await sendBatch(dev, events, 3);
  for (const view of ['customer_orders', 'vehicle_rides']) await dev.caughtUp(view);
  // What a published view has not been refreshed to.
  await sendBatch(dev, visits, 2);
  await archived(dev, 'visits');
}

/** What is served at the end, as HTTP gives it. */
async function readAll(release: Release, dev: Dev): Promise<object> {
  const statuses = await release.status();
  const views: Record<string, object> = {};
  for (const view of VIEWS) {
    const status = statuses.get(view)!;
    if (status.error !== null) throw new Error(`${view}: ${status.error.message}`);
    const { phase, version, fingerprint, lag, counts, deadLetters, parity } = status;
    const reads = await dev.read(view, READ_ENTITIES[view]!, AT);
    views[view] = { phase, version, fingerprint, lag, counts, deadLetters, parity: parity?.verdict ?? null, reads };
  }
  const topics: Record<string, object> = {};
  for (const topic of ['orders', 'visits', 'rides']) topics[topic] = await dev.bounds(topic);
  return { views, topics };
}

/** The catalog as it lies in the archive, and every stored state; then Postgres is left with next to no WAL. */
async function readCatalog(release: Release): Promise<object> {
  return await release.withPostgres(async (databaseUrl) => {
    const rows = (sql: string): Promise<Record<string, unknown>[]> => queryAt(release, databaseUrl, sql);
    const table = (name: string, order: string): Promise<Record<string, unknown>[]> =>
      rows(`SELECT to_jsonb(t) AS row FROM millrace_catalog.${name} t ORDER BY ${order}`).then((found) =>
        found.map(({ row }) => row as Record<string, unknown>),
      );
    const catalog = {
      view_version: await table('view_version', 'view, version'),
      stream_offset: await table('stream_offset', 'view, version, partition'),
      dead_letter: await table('dead_letter', 'view, "offset"'),
      archive_offset: await table('archive_offset', 'source, partition'),
      archive_file: await table('archive_file', 'source, path'),
      parity_audit: await table('parity_audit', 'id'),
    };
    const states: Record<string, unknown> = {};
    for (const { view, state_table } of catalog.view_version) {
      const stored = await rows(`SELECT to_jsonb(t) AS row FROM millrace_state.${String(state_table)} t`);
      states[String(view)] = stored
        .map(({ row }) => row)
        .toSorted((a, b) => compare(JSON.stringify(a), JSON.stringify(b)));
    }
    await rows('VACUUM');
    for (const setting of ['wal_recycle', 'min_wal_size']) await rows(`ALTER SYSTEM RESET ${setting}`);
    // The settings hold until the server ends: what is switched to is a new file of zeros, and the checkpoint removes the rest.
    for (const statement of ['CHECKPOINT', 'SELECT pg_switch_wal()', 'CHECKPOINT']) await rows(statement);
    return { catalog, states };
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Removes what a start makes anew, and packs the rest. */
async function pack(release: Release, target: string): Promise<void> {
  const { folder, dataDir } = release;
  const cluster = join(dataDir, 'postgres', 'cluster');
  for (const leftOver of ['stack.lock', 'processes.json', 'connection.json', 'postgres.location'])
    if (existsSync(join(dataDir, leftOver))) throw new Error(`${leftOver} is still in the data directory`);
  const unclean = [join(cluster, 'postmaster.pid'), join(dataDir, 'temporal', 'temporal.db-wal')];
  for (const path of unclean) if (existsSync(path)) throw new Error(`not stopped cleanly: ${path} is still there`);
  const remade = [
    'logs',
    'ports.json',
    'archive/.spill',
    'kafka/tmp',
    'kafka/server.properties',
    'kafka/log4j2.properties',
    'postgres/cluster/postmaster.opts',
    'postgres/cluster/millrace.conf',
    'postgres/cluster/pg_stat/pgstat.stat',
  ];
  for (const path of remade) rmSync(join(dataDir, path), { recursive: true, force: true });
  await packTree(folder, target, AT);
  note(`${target}: ${statSync(target).size} bytes`);
}

function commitOf(checkout: string): string {
  return execFileSync('git', ['-C', checkout, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      checkout: { type: 'string' },
      folder: { type: 'string', default: '/tmp/upgrade-fixture-making/previous-release' },
      out: { type: 'string', default: HERE },
    },
  });
  if (values.checkout === undefined)
    throw new Error('usage: node make-fixture.ts --checkout DIR [--folder DIR] [--out DIR]');
  const release = new Release(values.checkout, values.folder);
  await layOut(release);
  const dev = await release.startDev(join(dirname(release.folder), 'dev.log'), ['--partitions', PARTITIONS]);
  let served: object;
  try {
    await live(release, dev);
    served = await readAll(release, dev);
  } finally {
    await dev.stop();
  }
  const stored = await readCatalog(release);
  const target = join(values.out, 'previous-release.tar.zst');
  await pack(release, target);
  const { version } = JSON.parse(readFileSync(join(release.checkout, 'package.json'), 'utf8')) as { version: string };
  const expected = {
    release: { version, commit: commitOf(release.checkout) },
    folder: release.folder,
    at: AT,
    ...served,
    later: {
      at: LATER_AT,
      records: { orders: orders.later, visits: visits.later, rides: rides.later },
    },
    ...stored,
  };
  writeFileSync(join(values.out, 'expected.json'), `${JSON.stringify(expected, null, 1)}\n`);
}

await main();
