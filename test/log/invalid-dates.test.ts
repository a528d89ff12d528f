import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { orderSource } from './orders.ts';

it('shows a date that no calendar has, infinity for one, instead of failing on it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-dates-'));
  const duckdb = await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') });
  try {
    const path = join(folder, 'a.parquet');
    const rows = "('a', TIMESTAMP '1970-01-01', DATE 'infinity'), ('b', TIMESTAMP '1970-01-02', DATE '10000-01-01')";
    await duckdb.run(`COPY (FROM (VALUES ${rows}) t(id, "at", day)) TO '${path}' (FORMAT parquet)`);
    const contract = compileContract(
      z.object({ id: z.string(), at: z.iso.datetime({ local: true }), day: z.iso.date() }),
    );
    const shown: unknown[] = [];
    const scan = scanHistory({
      source: orderSource({ contract, history: { path, untilUs: null, disjoint: true } }),
      order: 'any',
      duckdb,
      listings: listingsOfProcess(systemClock),
      onInvalid: (_position, _file, _reasons, payload) => shown.push(JSON.parse(payload).day),
    });
    for await (const events of scan) expect(events).toEqual([]);
    expect(shown).toEqual(['day 2147483647', 'day 2932897']);
  } finally {
    await duckdb.close();
    await rm(folder, { recursive: true, force: true });
  }
});
