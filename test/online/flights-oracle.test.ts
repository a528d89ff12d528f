import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { createTestDatabase } from '../../stack/test-stack.ts';
import { flights, oracleEvents, oracleRouteDelays, route, routeDelays, writeHistory } from '../flights/flights-case.ts';
import { trainingValues } from '../oracle/read.ts';
import { testFolder, withDuckDb } from '../training/training-fixture.ts';

const MINUTE_US = 60_000_000;
const DAY_US = 1_440 * MINUTE_US;
/** One past the newest flight of the data set. */
const END_US = Date.parse('2001-07-01T00:00:00Z') * 1000 + 1;

test('400 routes of three million flights, backfilled and served, read what the oracle says at any later time', async () => {
  const folder = await testFolder();
  await mkdir(join(folder, 'flights'));
  const { eventsOf, keys } = await withDuckDb(async (duckdb) => {
    await writeHistory(duckdb, folder);
    await duckdb.run(
      `CREATE TABLE asked AS SELECT origin, destination FROM (SELECT DISTINCT origin, destination FROM flights) ORDER BY md5(origin || destination) LIMIT 400`,
    );
    const routes = await duckdb.query<{ origin: string; destination: string }>('SELECT * FROM asked');
    return {
      eventsOf: await oracleEvents(duckdb, 'asked'),
      keys: [...routes.map(({ origin, destination }) => [origin, destination]), ['QQQ', 'ZZZ']],
    };
  });
  const definitions = await compileDefinitions(definitionsInMemory([route, flights, routeDelays], folder));
  const database = await createTestDatabase(inject('stack').databaseUrl);
  const pool = createPool(database.databaseUrl, { max: 4, applicationName: 'millrace-test' });
  try {
    await migrateToLatest(database.databaseUrl);
    const view = definitions.views.get('route_delays')!;
    const { version } = await runBackfill({
      view,
      pool,
      reader: null,
      spillDir: join(folder, 'spill'),
      clock: systemClock,
      builder: 'test',
    });
    await publishVersion({ pool, view: view.name, version });
    const store = createOnlineStore({ pool, clock: systemClock });
    const differences: unknown[] = [];
    // Right after the newest flight, off the minute, while windows empty tile by tile, and when all but lifetime is gone.
    for (const atUs of [
      END_US,
      END_US + 7 * MINUTE_US + 13,
      END_US + DAY_US,
      END_US + 6.5 * DAY_US,
      END_US + 29 * DAY_US,
      END_US + 400 * DAY_US,
    ]) {
      const reads = await store.get('route_delays', keys, { atUs });
      for (const [n, read] of reads.entries()) {
        const events = eventsOf.get(keys[n]!.join('')) ?? [];
        const values = trainingValues(oracleRouteDelays, events, atUs);
        expect(read.found).toBe(events.length > 0);
        expect(read.ahead).toBe(false);
        for (const [index, { name }] of oracleRouteDelays.features.entries()) {
          const value = values[index]!;
          if (typeof value === 'symbol') throw new Error('no value of this test is out of range');
          if (!Object.is(read.values[index], value))
            differences.push({ key: keys[n], atUs, name, served: read.values[index], value });
        }
      }
    }
    expect(differences).toEqual([]);
  } finally {
    await pool.end();
    await database.drop();
  }
});
