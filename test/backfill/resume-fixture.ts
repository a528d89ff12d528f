import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { Clock } from '../../engine/values/clock.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { MemoryBroker } from '../stream/memory-log.ts';
import { type Purchase, purchaseBytes, spendingView } from '../stream/stream-view.ts';

const HOUR_US = 3_600_000_000;
const MINUTE_US = 60_000_000;
const START_US = -40 * HOUR_US;

/** In no order of time, with repeats, keys that are null, rows that are dropped or refused by a function, and broken ones. */
export function purchases(count: number, entities = 40): Purchase[] {
  const first = (n: number): number => (n % 23 === 4 ? n - 4 : n);
  return Array.from({ length: count }, (_, n) => ({
    id: `p-${first(n)}`,
    at: n % 97 === 11 ? 'never' : formatDateTime(START_US + ((first(n) * 7919) % count) * 5 * MINUTE_US),
    customer: n % 50 === 7 ? null : `customer-${(n * n) % entities}`,
    amount: n % 13 === 5 ? null : n % 200 === 13 ? 13 : n % 100 === 13 ? 12 : n % 100,
    kept: n % 17 !== 3,
  }));
}

export async function jsonl(folder: string, ...files: readonly (readonly Purchase[])[]): Promise<string> {
  const at = await mkdtemp(join(folder, 'history-'));
  for (const [index, rows] of files.entries())
    await writeFile(join(at, `part-${index}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return join(at, '*.jsonl');
}

/** Parquet whose row groups lie in order of time, in themselves in none: it is read in slices, the newest first. CSV of the same rows. */
export async function columns(
  folder: string,
  rows: number,
): Promise<{ readonly parquet: string; readonly csv: string }> {
  const at = await mkdtemp(join(folder, 'columns-'));
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
  await duckdb.run(`CREATE TABLE rows AS SELECT 'p-' || (CASE WHEN n % 1009 = 7 THEN n - 7 ELSE n END) AS id,
      make_timestamptz(${START_US} + n * 30000000) AS "at",
      CASE WHEN n % 101 = 7 THEN NULL ELSE 'customer-' || (n * n) % 300 END AS customer,
      (CASE WHEN n % 2003 = 5 THEN 13 ELSE n % 100 END)::INTEGER AS amount, n % 17 <> 3 AS kept
    FROM range(${rows}) r(n) ORDER BY n // 61440, hash(n)`);
  await duckdb.run(`COPY rows TO '${join(at, 'a.parquet')}' (ROW_GROUP_SIZE 61440)`);
  await duckdb.run(
    `COPY (SELECT id, strftime("at" AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS "at", customer, amount, kept FROM rows) TO '${join(at, 'a.csv')}' (HEADER)`,
  );
  await duckdb.close();
  return { parquet: join(at, '*.parquet'), csv: join(at, '*.csv') };
}

/** Keyed by customer: which events are late is the order of a partition's to say. */
export function brokerWith(rows: readonly Purchase[], partitions: number): MemoryBroker {
  const broker = new MemoryBroker();
  broker.createTopic('purchases', partitions);
  for (const [index, row] of rows.entries()) {
    const us = Date.parse(row.at) * 1000;
    const timestampUs = (Number.isNaN(us) ? START_US : us) + HOUR_US;
    const value = index % 41 === 9 ? null : purchaseBytes(row);
    const partition = Number(row.customer?.split('-')[1] ?? 0) % partitions;
    broker.append('purchases', partition, [{ value, timestampUs }]);
    if (index % 100 === 60) broker.appendControl('purchases', partition);
  }
  return broker;
}

/** A clock that ends an attempt when it is asked the time so often: a backfill asks at every batch, and at every saving. */
export function clockUntil(asked: number, abort: () => void): Clock {
  let left = asked;
  return {
    nowUs: () => 1_700_000_000_000_000,
    monotonicMs: () => {
      if (--left === 0) abort();
      return performance.now();
    },
  };
}

export function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The view over files, a topic, or both. */
export function view(
  path: string | null,
  options: { topic?: boolean; ids?: boolean; lifetime?: boolean } = {},
): CompiledView {
  const topic = options.topic === true ? 'purchases' : null;
  return spendingView({
    topic,
    lifetime: options.lifetime ?? true,
    source: {
      history: path === null ? null : { path, untilUs: null, disjoint: true },
      invalidLimit: { rate: 0.5, window: 1000 },
      ...(options.ids === false ? { eventIdField: null } : {}),
    },
  });
}
