import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { expected, flights, oracleEvents, route, routeDelays, writeHistory } from '../flights/flights-case.ts';
import { oracleRead } from '../oracle/oracle-read.ts';
import { expectedCell, oracleLayout, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

test('2,000 labels on real flights read what the oracle says, bit for bit', async () => {
  const folder = await testFolder();
  const spine = join(folder, 'spine.parquet');
  const out = join(folder, 'out.parquet');
  await mkdir(join(folder, 'flights'));
  const eventsOf = await withDuckDb(async (duckdb) => {
    await writeHistory(duckdb, folder);
    // Half of the labels at the very microsecond of a flight, half off the minute; and some routes that nobody flies.
    await duckdb.run(
      `COPY (
         SELECT row_number() OVER () AS label_id, CASE WHEN n % 40 = 0 THEN 'QQQ' ELSE origin END AS origin, destination,
                CASE WHEN n % 2 = 0 THEN date ELSE date + INTERVAL (n % 100000) MICROSECOND END AS event_timestamp, delay > 15 AS late
         FROM (SELECT *, row_number() OVER (ORDER BY md5(flight_id)) AS n FROM flights)
         WHERE n <= 2000 ORDER BY n
       ) TO '${spine}'`,
    );
    return await oracleEvents(duckdb, `read_parquet('${spine}')`);
  });
  const definitions = await compileDefinitions(
    definitionsInMemory([route, flights, routeDelays, featureService('delay_model', [routeDelays])], folder),
  );
  const manifest = await exportTrainingSet({
    service: definitions.services.get('delay_model')!,
    spine,
    out,
    mode: 'event-time',
    reader: null,
    memoryMb: 1024,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  expect(manifest.rows).toBe(2000);
  expect(manifest.views[0]!.counts.records).toBeGreaterThan(3_000_000);
  expect(manifest.views[0]!.counts.duplicates).toBe(manifest.views[0]!.counts.records - 3_000_000);

  const set = await readParquet(out);
  expect(set.names.slice(5)).toEqual(expected.map(({ name }) => `route_delays__${name}`));
  const layout = oracleLayout('id', expected);
  let nonNull = 0;
  const differences: unknown[] = [];
  for (const row of set.rows) {
    const events = eventsOf.get(`${String(row['origin'])}${String(row['destination'])}`) ?? [];
    const values = oracleRead(layout, events, row['event_timestamp'] as number);
    for (const [index, { name, result }] of expected.entries()) {
      const value = values[index]!;
      if (typeof value === 'symbol') throw new Error('no value of this test is out of range');
      const cell = row[`route_delays__${name}`];
      if (!Object.is(cell, expectedCell(result, value)))
        differences.push({ label: row['label_id'], name, cell, value });
      if (value !== null && value !== 0) nonNull++;
    }
  }
  expect(differences).toEqual([]);
  expect(nonNull).toBeGreaterThan(8000);
});
