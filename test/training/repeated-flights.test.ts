import { isDeepStrictEqual } from 'node:util';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import type { DuckDb } from '../../engine/duckdb/duckdb.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { airport, route } from '../../features/flights.ts';
import {
  type Flight,
  flightsByOrigin,
  oracleFlightViews,
  repeatedFlights,
  repeatedViews,
  writeRepeatedFlights,
} from '../flights/repeated-flights.ts';
import type { OracleValue } from '../oracle/exact.ts';
import { sortedEvents, sortedTrainingValues } from '../oracle/sorted-read.ts';
import { oracleLog } from '../oracle/source-log.ts';
import { oracleView } from '../oracle/view.ts';
import { expectedCell, readParquet, testFolder, withDuckDb } from './training-fixture.ts';

const LABELS = 20_000;
const VIEWS = ['route_delays', 'airport_traffic'] as const;

interface Label {
  readonly n: number;
  readonly origin: string;
  readonly destination: string;
  readonly atUs: number;
}

/** Labels at flights drawn by a hash: half at the very microsecond, half off it; some of an airport that nobody flies from. */
async function writeSpine(duckdb: DuckDb, spine: string): Promise<Label[]> {
  await duckdb.run(
    `COPY (
       SELECT n, CASE WHEN n % 40 = 0 THEN 'QQQ' ELSE origin END AS origin, destination, CASE WHEN n % 40 = 0 THEN 'QQQ' ELSE origin END AS airport,
              CASE WHEN n % 2 = 0 THEN date ELSE date + INTERVAL (n * 7919 % 90000000000) MICROSECOND END AS event_timestamp
       FROM (SELECT *, row_number() OVER (ORDER BY place) AS n FROM repeated) WHERE n <= ${LABELS} ORDER BY n
     ) TO '${spine}'`,
  );
  const rows = await duckdb.query<{ n: bigint; origin: string; destination: string; at: bigint }>(
    `SELECT n, origin, destination, epoch_us(event_timestamp) AS at FROM read_parquet('${spine}')`,
  );
  return rows.map(({ n, origin, destination, at }) => ({ n: Number(n), origin, destination, atUs: Number(at) }));
}

/** What the oracle gives, by label: the values of both views. And how many flights repeat a claim. */
async function expectedOf(duckdb: DuckDb, folder: string, labels: readonly Label[]) {
  const values = new Map<number, OracleValue[][]>();
  let duplicates = 0;
  const views = oracleFlightViews;
  const byOrigin = Map.groupBy(labels, ({ origin }) => origin);
  for await (const [origin, files] of flightsByOrigin(duckdb, folder)) {
    // Repeats of an id have one origin, and the rows of other airports only raise a watermark that no row of a history is behind.
    const { steps } = oracleLog<Flight>(
      {
        decode: (row) => ({ row: row as Flight }),
        eventTimeUs: ({ dateUs }) => dateUs,
        eventId: (row) => row.id,
        untilUs: null,
        horizonUs: 86_400_000_000,
        maxAheadUs: null,
        withoutBrokerTime: false,
      },
      { files, gUs: 0, partitions: [] },
    );
    duplicates += steps.filter(({ outcome }) => outcome === 'duplicate').length;
    const sorted = views.map((view) => {
      const { entities } = oracleView(view, steps);
      return new Map([...entities].map(([key, events]) => [key, sortedEvents(view, events)]));
    });
    for (const { n, destination, atUs } of byOrigin.get(origin) ?? []) {
      const keys = [`${origin}${destination}`, origin];
      const found = views.map((view, index) =>
        sortedTrainingValues(view, sorted[index]!.get(keys[index]!) ?? [], atUs),
      );
      values.set(n, found);
    }
  }
  return { values, duplicates, ofNothing: views.map((view) => sortedTrainingValues(view, [], 0)) };
}

test(`${LABELS} labels on three million real flights whose ids repeat read what the oracle says, bit for bit`, {
  timeout: 900_000,
}, async () => {
  const folder = await testFolder();
  await mkdir(join(folder, 'flights'));
  const spine = join(folder, 'spine.parquet');
  const { labels, values, duplicates, ofNothing } = await withDuckDb(async (duckdb) => {
    await writeRepeatedFlights(duckdb, folder);
    const labels = await writeSpine(duckdb, spine);
    return { labels, ...(await expectedOf(duckdb, folder, labels)) };
  });
  const definitions = await compileDefinitions(
    definitionsInMemory(
      [route, airport, repeatedFlights, ...repeatedViews, featureService('model', repeatedViews)],
      folder,
    ),
  );
  const service = definitions.services.get('model')!;
  const out = join(folder, 'out.parquet');
  const { views: counted } = await exportTrainingSet({
    service,
    spine,
    out,
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  expect(duplicates).toBeGreaterThan(200_000);
  for (const { counts } of counted) expect(counts).toMatchObject({ records: 3_000_000, duplicates, undeduped: 0 });

  const { rows } = await readParquet(out);
  const differences: unknown[] = [];
  let cells = 0;
  let nonNull = 0;
  for (const [index, label] of labels.entries()) {
    const expected = values.get(label.n) ?? ofNothing;
    for (const [at, view] of oracleFlightViews.entries()) {
      const { features } = service.blocks[at]!.view.layout;
      for (const [feature, { name }] of view.features.entries()) {
        const value = expected[at]![feature]!;
        if (typeof value === 'symbol') throw new Error('no value of this test is out of range');
        const cell = rows[index]![`${VIEWS[at]!}__${name}`];
        cells++;
        if (value !== null && value !== 0) nonNull++;
        const { result } = features.find((one) => one.name === name)!;
        if (!isDeepStrictEqual(cell, expectedCell(result, value))) differences.push({ ...label, name, cell, value });
      }
    }
  }
  expect(differences.slice(0, 20)).toEqual([]);
  expect(cells).toBe(LABELS * 19);
  expect(nonNull).toBeGreaterThan(LABELS * 8);
});
