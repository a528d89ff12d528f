import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { lawRuns, lawSeed, lawTimeoutMs } from '../laws/law-seed.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import type { VisitLog } from '../oracle/visits.ts';
import { type BuiltVisits, expectOutcomes, openVisitBuilder, oracleOf, type VisitBuilder } from './visit-versions.ts';

/*
 * The equation of design §7 with partitions added on the way, and the oracle beside it: that batch and stream agree with each other
 * is not enough, they must agree with the text.
 */

let builder: VisitBuilder;
beforeAll(async () => {
  builder = await openVisitBuilder(inject('stack').databaseUrl);
});
afterAll(() => builder.close());

/** Each of the cuts gives the states of the first, byte for byte; outcomes and values are the oracle's. */
async function expectOracle(log: VisitLog, format: 'jsonl' | 'parquet', cutsOf: readonly (readonly number[])[]) {
  const path = await builder.write(log, format);
  const oracle = oracleOf(log);
  let first: BuiltVisits | null = null;
  for (const cuts of cutsOf) {
    const built = await builder.build(log, path, cuts);
    expectOutcomes(built, oracle);
    first ??= built;
    expect(built.states).toEqual(first.states);
  }
  await builder.expectServed(log, oracle.view.entities);
}

const format = fc.constantFrom('jsonl' as const, 'parquet' as const);

test(
  `every cut of small logs (seed ${lawSeed})`,
  async () => {
    const logs = randomVisits({ historyRows: 6, topicRecords: 7, partitions: 3 });
    await fc.assert(
      fc.asyncProperty(logs, format, async (log, format) => {
        const cuts = Array.from({ length: log.steps.length + 1 }, (_, cut) => [cut]);
        await expectOracle(log, format, cuts.toReversed());
      }),
      { ...lawRuns(12), endOnFailure: true },
    );
  },
  lawTimeoutMs(300_000),
);

test(
  `any cuts of longer logs (seed ${lawSeed})`,
  async () => {
    const logs = randomVisits({ historyRows: 40, topicRecords: 120, partitions: 4 });
    await fc.assert(
      fc.asyncProperty(
        logs,
        format,
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }),
        async (log, format, shares) => {
          const cuts = shares.map((share) => Math.round((share / 1000) * log.steps.length)).toSorted((a, b) => a - b);
          await expectOracle(log, format, [[log.steps.length], cuts, [0]]);
        },
      ),
      { ...lawRuns(10), endOnFailure: true },
    );
  },
  lawTimeoutMs(300_000),
);
