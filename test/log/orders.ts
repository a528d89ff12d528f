import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import type { DuckDb } from '../../engine/duckdb/duckdb.ts';
import { type OracleOutcomes, type OracleSource, oracleLog } from '../oracle/source-log.ts';

/** A row of the history or a record of the topic, before it is written in some format. Invalid where the amount is negative. */
export interface Order {
  readonly id: string;
  readonly atUs: number;
  readonly customer: string | null;
  readonly amount: number | null;
  readonly price: string | null;
  readonly big: string;
  readonly ratio: number;
  readonly paid: boolean;
  readonly day: string;
}

const HOUR_US = 3_600_000_000;

export const orderContract = compileContract(
  z.object({
    id: z.string(),
    at: z.iso.datetime({ local: true }),
    customer: z.string().nullable(),
    amount: z.int().min(0).nullable(),
    price: decimal(10, 2).nullable(),
    big: z.int64(),
    ratio: z.number(),
    paid: z.boolean(),
    day: z.iso.date(),
    note: z.string().optional(),
  }),
);

/** The source over `orderContract`; horizon 24 h, at most 1 h ahead. */
export function orderSource(options: Partial<CompiledSource> = {}): CompiledSource {
  return {
    name: 'orders',
    contract: orderContract,
    eventTimeField: 'at',
    eventIdField: 'id',
    topic: 'orders',
    history: null,
    dedupeHorizonUs: 24 * HOUR_US,
    maxAheadUs: HOUR_US,
    brokerTime: 'record',
    invalidLimit: { rate: 0.1, window: 1000 },
    ...options,
  };
}

/** A topic record; `row: null` is a tombstone. */
export interface OrderRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestampUs: number;
  readonly row: Order | null;
}

/** What the oracle makes of a log over the same source: history rows in the order of their places, records of a partition in offset order. */
export function orderOutcomes(
  source: CompiledSource,
  history: readonly Order[],
  topic: readonly OrderRecord[],
): OracleOutcomes<Order> {
  const oracle: OracleSource<Order> = {
    decode: (value) => {
      const row = value as Order;
      return row.amount === null || row.amount >= 0 ? { row } : { invalid: 'amount' };
    },
    eventTimeUs: (row) => row.atUs,
    eventId: source.eventIdField === null ? null : (row) => row.id,
    untilUs: source.history?.untilUs ?? null,
    horizonUs: source.dedupeHorizonUs,
    maxAheadUs: source.maxAheadUs,
    withoutBrokerTime: source.brokerTime === 'none',
  };
  const partitions = Map.groupBy(topic, ({ partition }) => partition);
  return oracleLog(oracle, {
    files: [{ name: 'all', rows: history }],
    gUs: Date.now() * 1000,
    partitions: [...partitions].map(([partition, records]) => ({
      partition,
      // −1 ms is Kafka's own sign for none.
      records: records.map(({ offset, timestampUs, row }) => ({
        offset,
        brokerTimeUs: timestampUs === -1000 ? null : timestampUs,
        value: row,
      })),
    })),
  });
}

/** An order by what matters to its way through the log; the rest follows from its number. */
export function order(id: string, atUs: number, number: number, valid = true): Order {
  return {
    id,
    atUs,
    customer: number % 7 === 0 ? null : `customer ${number % 5}, "the ${number % 3}rd" ü`,
    amount: valid ? (number % 11 === 0 ? null : number) : -1 - number,
    price: number % 6 === 0 ? null : `${number}.${String(number % 100).padStart(2, '0')}`,
    big: String(9_007_199_254_740_993n + BigInt(number)),
    ratio: number / 7,
    paid: number % 2 === 0,
    day: `2001-02-${String((number % 28) + 1).padStart(2, '0')}`,
  };
}

/** Orders with few ids, times around 1970 and `spanHours` apart at most, some invalid. */
export function someOrders(maxLength: number, spanHours = 60): fc.Arbitrary<Order[]> {
  const one = fc.record({
    id: fc.integer({ min: 0, max: 12 }),
    minutes: fc.integer({ min: -30 * spanHours, max: 30 * spanHours }),
    valid: fc.integer({ min: 0, max: 9 }).map((chance) => chance > 0),
  });
  return fc
    .array(one, { maxLength })
    .map((list) => list.map(({ id, minutes, valid }, n) => order(`order-${id}`, minutes * 60_000_000, n, valid)));
}

/** The record's value. */
export function orderBytes(row: Order): Buffer {
  const { atUs, ...rest } = row;
  return Buffer.from(JSON.stringify({ ...rest, at: formatDateTime(atUs) }));
}

/** The decoded row. */
export function orderRow(row: Order): Record<string, unknown> {
  const { id, atUs, customer, amount, price, big, ratio, paid, day } = row;
  return { id, at: atUs, customer, amount, price, big: BigInt(big), ratio, paid, day, note: null };
}

export type FileFormat = 'parquet' | 'csv' | 'jsonl' | 'jsonl.gz';

/** Writes files of orders into `folder`, named so that their order is that of the list; gives the glob. */
export async function writeHistory(
  duckdb: DuckDb,
  folder: string,
  format: FileFormat,
  files: readonly (readonly Order[])[],
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [index, rows] of files.entries()) {
    const path = join(folder, `part-${index}.${format}`);
    if (format === 'csv') await writeFile(path, csvOf(rows));
    else if (format === 'parquet') await writeParquet(duckdb, path, rows);
    else {
      const lines = rows.map((row) => `${orderBytes(row).toString()}\n`).join('');
      await writeFile(path, format === 'jsonl' ? lines : gzipSync(lines));
    }
  }
  return join(folder, `*.${format}`);
}

const columns = ['id', 'at', 'customer', 'amount', 'price', 'big', 'ratio', 'paid', 'day'] as const;

function csvOf(rows: readonly Order[]): string {
  const quoted = (value: string | number | boolean | null): string => {
    const text = value === null ? '' : value.toString();
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) => {
    const values = { ...row, at: formatDateTime(row.atUs) };
    return columns.map((name) => quoted(values[name])).join(',');
  });
  return [columns.join(','), ...lines, ''].join('\n');
}

async function writeParquet(duckdb: DuckDb, path: string, rows: readonly Order[]): Promise<void> {
  const list = rows.map(
    (row, index) =>
      `(${index}, '${row.id}', make_timestamp(${row.atUs}), ${row.customer === null ? 'NULL' : `'${row.customer}'`}, ${row.amount ?? 'NULL'}, ` +
      `${row.price === null ? 'NULL' : `'${row.price}'`}, '${row.big}', '${row.ratio}', ${row.paid}, '${row.day}')`,
  );
  const values = list.length === 0 ? `SELECT ${'NULL, '.repeat(9)}NULL WHERE false` : `VALUES ${list.join(', ')}`;
  await duckdb.run(
    `COPY (SELECT id::VARCHAR AS id, "at"::TIMESTAMP AS at, customer::VARCHAR AS customer, amount::BIGINT AS amount,
       price::DECIMAL(10, 2) AS price, big::BIGINT AS big, ratio::DOUBLE AS ratio, paid::BOOLEAN AS paid, day::DATE AS day
       FROM (${values}) v(n, id, "at", customer, amount, price, big, ratio, paid, day) ORDER BY n) TO '${path}' (FORMAT parquet)`,
  );
}
