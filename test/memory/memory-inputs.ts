import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';

/** How much there is to work on. */
export interface MemoryScale {
  readonly rows: number;
  readonly entities: number;
  readonly labels: number;
}

const customer = entity('customer', { customer: z.string() });
const payments = source('payments', {
  schema: z.object({
    payment: z.string(),
    at: z.iso.datetime({ local: true }),
    customer: z.string(),
    shop: z.string(),
    cents: z.int().nonnegative(),
    score: z.number().nullable(),
  }),
  eventTime: 'at',
  eventId: 'payment',
  history: { path: 'payments.parquet' },
});
const spending = featureView('spending', {
  entity: customer,
  source: payments,
  features: (f) => ({
    payments_1d: f.count().over('1d'),
    cents_7d: f.sum('cents').over('7d'),
    score_avg_7d: f.avg('score').over('7d'),
    cents_max_1d: f.max('cents').over('1d'),
    cents_30d: f.sum('cents').over('30d'),
    last_shop: f.last('shop'),
  }),
});

/** The definitions over the inputs in a folder: the view `spending` and the service `spending_model`. */
export function memoryDefinitions(folder: string): ReturnType<typeof compileDefinitions> {
  const service = featureService('spending_model', [spending]);
  return compileDefinitions(definitionsInMemory([customer, payments, spending, service], folder));
}

/** Writes what a scale works on, once per folder: payments of two months, no two customers alike in how many, and labels among them. */
export async function writeMemoryInputs(folder: string, { rows, entities, labels }: MemoryScale): Promise<void> {
  if (existsSync(join(folder, 'spine.parquet'))) return;
  await mkdir(folder, { recursive: true });
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: join(folder, 'spill') });
  const customerOf = (row: string): string => `printf('C%07d', (hash(${row}) % ${entities})::BIGINT)`;
  const seconds = 60 * 86_400;
  try {
    await duckdb.run(`COPY (
      SELECT printf('P%09d', i) AS payment, TIMESTAMP '2026-01-01' + to_microseconds(((i * ${seconds}.0 / ${rows})::BIGINT) * 1000000) AS at,
        ${customerOf('i')} AS customer, printf('S%05d', (hash(i + 1) % 20000)::BIGINT) AS shop, (hash(i + 2) % 100000)::BIGINT AS cents,
        CASE WHEN i % 10 = 0 THEN NULL ELSE (hash(i + 3) % 1000000)::DOUBLE / 1000 END AS score
      FROM range(${rows}) r(i)) TO '${folder}/payments.parquet'`);
    await duckdb.run(`COPY (
      SELECT ${customerOf('i * 7')} AS customer,
        TIMESTAMPTZ '2026-01-20 00:00:00+00' + to_microseconds((hash(i + 4) % (40 * 86400))::BIGINT * 1000000) AS event_timestamp, i % 3 = 0 AS label
      FROM range(${labels}) r(i)) TO '${folder}/spine.parquet'`);
  } finally {
    await duckdb.close();
  }
}
