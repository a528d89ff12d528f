import { openDuckDb, quoteText } from '../../engine/duckdb/duckdb.ts';
import type { FlightRequest } from './decision-service.ts';
import type { LoopWorkspace } from './loop-workspace.ts';

/** Something that happens at a time. */
export interface Timed<Value> {
  readonly atUs: number;
  readonly value: Value;
}

/** June as it is replayed, in memory. */
export interface June {
  /** Records of the topic of departures, by when the flight left. */
  readonly departures: readonly Timed<{ readonly key: string; readonly value: string }>[];
  /** Flights by when it is decided whether to warn of them. */
  readonly requests: readonly Timed<FlightRequest>[];
}

/** Reads June. */
export async function readJune({ junePath, requestsPath }: LoopWorkspace, tempDir: string): Promise<June> {
  const iso = (column: string): string => `strftime(make_timestamp(epoch_us(${column})), '%Y-%m-%dT%H:%M:%SZ')`;
  const duckdb = await openDuckDb({ memoryMb: 512, tempDir });
  try {
    const departures = await duckdb.query<{ t: bigint; key: string; value: string }>(`
      SELECT epoch_us(departed) AS t, origin || '-' || destination AS key, CAST(to_json({flight_id: flight_id, scheduled: ${iso('scheduled')}, departed: ${iso('departed')},
        origin: origin, destination: destination, delay: delay, distance: distance}) AS VARCHAR) AS value
      FROM ${quoteText(junePath)} ORDER BY departed, flight_id`);
    const requests = await duckdb.query<{ t: bigint } & Record<string, string | number>>(`
      SELECT epoch_us(decided_at) AS t, flight_id, ${iso('scheduled')} AS scheduled, origin, destination, CAST(distance AS INTEGER) AS distance
      FROM ${quoteText(requestsPath)} ORDER BY decided_at, flight_id`);
    return {
      departures: departures.map(({ t, key, value }) => ({ atUs: Number(t), value: { key, value } })),
      requests: requests.map(({ t, ...flight }) => ({ atUs: Number(t), value: flight as unknown as FlightRequest })),
    };
  } finally {
    await duckdb.close();
  }
}

/** Takes, in the order of their times, what happens before one time and was not taken before. */
export class Timeline<Value> {
  readonly #all: readonly Timed<Value>[];
  #next = 0;

  constructor(all: readonly Timed<Value>[]) {
    this.#all = all;
  }

  get taken(): number {
    return this.#next;
  }

  before(untilUs: number): Timed<Value>[] {
    const from = this.#next;
    while (this.#next < this.#all.length && this.#all[this.#next]!.atUs < untilUs) this.#next += 1;
    return this.#all.slice(from, this.#next);
  }
}
