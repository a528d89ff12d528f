import type pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { PairsFailPoint, Side } from '../../engine/pairs/pairs-options.ts';
import { type LoggedEvent, pairsOf } from '../oracle/pairs-oracle.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { HORIZON_US, openPairsWorld, pairRule, START_US } from './pairs-world.ts';
import { createMemoryLogWriter } from './memory-writer.ts';

const ROUNDS = Number(process.env['LAW_RUNS'] ?? 1) * 15;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
});
afterAll(() => database.close());

class Crash extends Error {}

function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const POINTS: readonly PairsFailPoint[] = ['after-fetch', 'after-cas', 'before-commit', 'after-commit', 'after-sweep'];

test(`the pairs on the topic are a function of the two logs, whatever dies when (seed ${seed})`, {
  timeout: ROUNDS * 40_000,
}, async () => {
  const random = randomFrom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  let pairs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const dedupeHorizon = pick(['5s', '20s'] as const);
    const latenessUs = Math.max(HORIZON_US, dedupeHorizon === '5s' ? 5_000_000 : 20_000_000);
    const partitions = { decisions: 1 + Math.floor(random() * 3), outcomes: 1 + Math.floor(random() * 3) };
    const size = 1 + Math.floor(random() * 20);
    const world = openPairsWorld(pool, pairRule(`law_${round}`, dedupeHorizon), partitions, () => size);
    const logs: Record<Side, (LoggedEvent | null)[][]> = {
      decisions: Array.from({ length: partitions.decisions }, () => []),
      outcomes: Array.from({ length: partitions.outcomes }, () => []),
    };
    let nowUs = START_US;
    // Times at which something was, so that rules meet at their edges.
    const times: number[] = [START_US];
    const timeUs = (): number => {
      const near =
        pick(times) +
        pick([0, 0, HORIZON_US, HORIZON_US + 1, HORIZON_US - 1, -1, latenessUs, -latenessUs, latenessUs + 1]);
      const at = random() < 0.5 ? near : nowUs + Math.floor((random() - 0.6) * 4_000_000);
      const used = Math.max(START_US - 40_000_000, Math.min(at, nowUs + 12_000_000));
      times.push(used);
      if (times.length > 12) times.shift();
      return used;
    };
    const appendSome = (): void => {
      for (let count = Math.floor(random() * 25); count > 0; count--) {
        nowUs += pick([0, 1, 200_000, 1_000_000]);
        if (random() < 0.02) nowUs += 60_000_000; // years later, in the measure of these horizons
        const side: Side = random() < 0.45 ? 'decisions' : 'outcomes';
        const number = Math.floor(random() * 30);
        const event =
          random() < 0.04
            ? null
            : { id: `${side[0]}${number}`, timeUs: timeUs(), key: random() < 0.05 ? null : pick(['a', 'b', 'c', 'd']) };
        const partition = number % partitions[side];
        logs[side][partition]!.push(event);
        world.append(side, partition, [event]);
      }
    };
    const hows = (['write', 'write', 'write', 'lose-answer', 'refuse'] as const).toSorted(() => random() - 0.5);
    for (let life = 1, whole = 4; whole > 0; life++) {
      appendSome();
      const point =
        random() < 0.6
          ? pick(POINTS)
          : random() < 0.5
            ? pick(['before-send', 'after-send', 'after-mark'] as const)
            : null;
      const after = Math.floor(random() * 4);
      let passed = 0;
      let sends = 0;
      const batchRecords = 1 + Math.floor(random() * 15);
      try {
        const { ended } = await world.run(life, {
          limits: {
            batchRecords,
            batchPairs: pick([5, 1_000]),
            batchMs: 1,
            sweepEveryMs: 0,
            sweepRows: pick([1, 3, 100]),
            retryMinMs: 1,
            retryMaxMs: 2,
            outbox: pick([
              { rows: 3, bytes: 1e9 },
              { rows: 1_000, bytes: 1e9 },
            ]),
            sender: { sendRecords: pick([1, 4, 100]), retryMinMs: 1, retryMaxMs: 2, pollMs: 5 },
          },
          writer: createMemoryLogWriter(world.broker, 2, () => hows[sends++] ?? 'write'),
          failAt: (at) => {
            if (at === point && passed++ === after) throw new Crash();
          },
        });
        expect(ended).toBe('present-end');
        whole--;
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
    }
    const { ended } = await world.run(1_000);
    expect(ended).toBe('present-end');
    const found = world.pairs();
    const expected = pairsOf(logs.decisions, logs.outcomes, { horizonUs: HORIZON_US, latenessUs });
    expect(
      found.map(({ text }) => text),
      `round ${round}`,
    ).toEqual(expected);
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
    pairs += found.length;
  }
  // The logs are dense enough to say something.
  expect(pairs).toBeGreaterThan(ROUNDS * 20);
});
