import { join } from 'node:path';
import { type DuckDb, openDuckDb, quoteText } from '../engine/duckdb/duckdb.ts';

/** A flight of June at which the online store is asked: after a checkpoint, the first of its route and of its origin, and none left its destination yet. */
export interface SampledFlight {
  readonly flightId: string;
  readonly eventTimeUs: number;
  readonly origin: string;
  readonly destination: string;
  /** Miles. */
  readonly distance: number;
}

/** Sampled flights by the checkpoint (event time, µs) before which the stream must have caught up. */
export interface Checkpoint {
  readonly atUs: number;
  readonly flights: readonly SampledFlight[];
}

export interface SamplePlan {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly checkpoints: number;
  /** At most this many flights are asked for at one checkpoint. */
  readonly perCheckpoint: number;
}

/**
 * Chooses, for each of evenly spaced checkpoints, flights whose route, origin and destination have no other departure between the
 * checkpoint and them: what the store knows at the checkpoint is then all that was known when the flight left, as it must be for a live read.
 */
export async function chooseSamples(junePath: string, spillDir: string, plan: SamplePlan): Promise<Checkpoint[]> {
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir: spillDir });
  try {
    const stepUs = Math.ceil((plan.untilUs - plan.fromUs) / plan.checkpoints);
    const rows = await duckdb.query<{
      step: bigint;
      flight_id: string;
      t: bigint;
      origin: string;
      destination: string;
      distance: number;
    }>(`
      WITH flight AS (
        SELECT flight_id, epoch_us(date) AS t, origin, destination, distance, (epoch_us(date) - ${plan.fromUs}) // ${stepUs} AS step FROM ${quoteText(junePath)}
        WHERE epoch_us(date) >= ${plan.fromUs} AND epoch_us(date) < ${plan.untilUs}
      ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY step, origin, destination ORDER BY t, flight_id) AS of_route,
          row_number() OVER (PARTITION BY step, origin ORDER BY t, flight_id) AS of_origin
        FROM flight
      ), chosen AS (
        SELECT r.*, row_number() OVER (PARTITION BY r.step ORDER BY md5(r.flight_id)) AS pick FROM ranked r
        LEFT JOIN ranked there ON there.step = r.step AND there.origin = r.destination AND there.of_origin = 1
        WHERE r.of_route = 1 AND r.of_origin = 1 AND (there.t IS NULL OR there.t >= r.t)
      )
      SELECT step, flight_id, t, origin, destination, CAST(distance AS INTEGER) AS distance FROM chosen WHERE pick <= ${plan.perCheckpoint} ORDER BY step, t, flight_id`);
    const byStep = new Map<number, SampledFlight[]>();
    for (const { step, flight_id: flightId, t, ...flown } of rows) {
      const flights = byStep.get(Number(step)) ?? [];
      flights.push({ flightId, eventTimeUs: Number(t), ...flown });
      byStep.set(Number(step), flights);
    }
    return Array.from({ length: plan.checkpoints }, (_, step) => ({
      atUs: plan.fromUs + step * stepUs,
      flights: byStep.get(step) ?? [],
    }));
  } finally {
    await duckdb.close();
  }
}

/** Writes the spine: every sampled flight and, up to `rows`, others of June, with the delay as label. Returns its row count. */
export async function writeSpine(
  junePath: string,
  folder: string,
  sampled: readonly string[],
  rows: number,
): Promise<{ path: string; rows: number }> {
  const path = join(folder, 'spine.parquet');
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
  try {
    await loadIds(duckdb, sampled);
    await duckdb.run(`
      COPY (
        SELECT flight_id, date AS event_timestamp, origin, destination, distance, delay > 15 AS is_late FROM (
          SELECT f.*, s.flight_id IS NOT NULL AS is_sampled FROM ${quoteText(junePath)} f LEFT JOIN sampled s USING (flight_id)
        ) ORDER BY is_sampled DESC, md5(flight_id) LIMIT ${rows}
      ) TO ${quoteText(path)} (FORMAT parquet)`);
    const [count] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${quoteText(path)}`);
    return { path, rows: Number(count?.n) };
  } finally {
    await duckdb.close();
  }
}

async function loadIds(duckdb: DuckDb, ids: readonly string[]): Promise<void> {
  await duckdb.run(
    'CREATE TABLE sampled AS SELECT unnest(CAST(from_json($1, \'["VARCHAR"]\') AS VARCHAR[])) AS flight_id',
    [JSON.stringify(ids)],
  );
}
