import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { acceptInvalid } from '../../engine/postgres/accepted-invalid.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';
import { type OracleLimit, type OracleVerdict, stopsAt, stopsAtEnd } from '../oracle/invalid-limit.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import type { VisitLog } from '../oracle/visits.ts';
import { catalogRows } from './stream-fixture.ts';
import { expectOutcomes, openVisitBuilder, oracleOf, type VisitBuilder, type VisitRun } from './visit-versions.ts';

/* The limit of invalid records, in batch and stream, with verdicts handed from one to the other and ranges accepted. */

let builder: VisitBuilder;
beforeAll(async () => {
  builder = await openVisitBuilder(inject('stack').databaseUrl);
});
afterAll(() => builder.close());
beforeEach(() => forgetAccepted());

const STOPS = { code: 'too-many-invalid-records' };

async function forgetAccepted(): Promise<void> {
  await builder.pool.query('DELETE FROM millrace_catalog.accepted_invalid');
}

/** Every record's verdict in the view, by partition in order; of the topic, the first `count` steps. */
function verdictsOf(log: VisitLog, count: number): Map<number, OracleVerdict[]> {
  const { outcomes, view } = oracleOf({ ...log, steps: log.steps.slice(0, count) });
  const failed = new Set(view.failed);
  const verdicts = outcomes.steps.map((step) => ({
    partition: step.partition,
    offset: step.offset,
    invalid: step.outcome === 'invalid' || failed.has(step),
  }));
  return Map.groupBy(verdicts, ({ partition }) => partition);
}

/** Whether a batch over the first `count` steps is stopped. */
function stopsBatch(limit: OracleLimit, log: VisitLog, count: number): boolean {
  const partitions = [...verdictsOf(log, count).values()];
  return stopsAtEnd(limit, partitions.flat()) || partitions.some((verdicts) => stopsAt(limit, verdicts) !== null);
}

const limits = fc.constantFrom(
  { rate: 0.25, window: 8 },
  { rate: 0.3, window: 30 },
  { rate: 0.5, window: 4 },
  { rate: 0.4, window: 1000 },
  { rate: 0.15, window: 20 },
);

test(`a batch stops where the oracle says (seed ${lawSeed})`, async () => {
  const logs = randomVisits({ historyRows: 30, topicRecords: 40, partitions: 3 });
  const tally = { stopped: 0, passed: 0 };
  await fc.assert(
    fc.asyncProperty(logs, limits, async (log, invalidLimit) => {
      const path = await builder.write(log, 'jsonl');
      const run = builder.backfill(log, path, log.steps.length, { invalidLimit });
      if (stopsBatch({ ...invalidLimit, accepted: new Map() }, log, log.steps.length)) {
        tally.stopped++;
        await expect(run).rejects.toMatchObject(STOPS);
      } else {
        tally.passed++;
        expectOutcomes(await (await run).built(), oracleOf(log));
      }
    }),
    { ...lawRuns(60), endOnFailure: true },
  );
  expect(Math.min(tally.stopped, tally.passed)).toBeGreaterThan(2);
});

/** Runs the stream to the end; each time it stops, as the oracle says, the partition is accepted up to the next of `short` before that, at last all of it. */
async function streamAccepting(run: VisitRun, from: number, limit: OracleLimit, short: number[], stops: number[]) {
  const { log, view, version } = run;
  const verdicts = verdictsOf(log, log.steps.length).get(0) ?? [];
  let steps = log.steps.slice(from);
  for (let accepted = 0; ; ) {
    const expected = stopsAt({ ...limit, accepted: new Map([[0, accepted]]) }, verdicts);
    const going = run.stream(steps);
    if (expected === null) return going;
    stops.push(expected);
    await expect(going).rejects.toMatchObject(STOPS);
    steps = [];
    // Nothing from the record on at which it stopped is passed.
    const [offset] = await catalogRows(builder.pool, 'stream_offset', view.name, version);
    expect(offset!['next_offset']).toBeLessThanOrEqual(expected);
    accepted = Math.max(accepted, expected - (short.shift() ?? -log.steps.length));
    await acceptInvalid(builder.pool, view.source.name, 0, accepted);
  }
}

test(`a stream stops where the oracle says, and goes on where that is accepted, in part or whole (seed ${lawSeed})`, async () => {
  const logs = randomVisits({ historyRows: 10, topicRecords: 60, partitions: 1 });
  // The limits' windows are about as wide.
  const accepts = fc.array(fc.integer({ min: -1, max: 8 }), { maxLength: 4 });
  const stops: number[] = [];
  await fc.assert(
    fc.asyncProperty(logs, limits, fc.nat(60), accepts, async (log, invalidLimit, part, short) => {
      await forgetAccepted();
      const limit = { ...invalidLimit, accepted: new Map<number, number>() };
      const cut = Math.min(part, log.steps.length);
      fc.pre(!stopsBatch(limit, log, cut));
      const run = await builder.backfill(log, await builder.write(log, 'jsonl'), cut, { invalidLimit });
      await streamAccepting(run, cut, limit, [...short], stops);
      expectOutcomes(await run.built(), oracleOf(log));
    }),
    { ...lawRuns(80), endOnFailure: true },
  );
  expect(stops.length).toBeGreaterThan(2);
});

test(`a batch goes on where its records are accepted (seed ${lawSeed})`, async () => {
  const logs = randomVisits({ historyRows: 30, topicRecords: 30, partitions: 2 });
  const until = fc.array(fc.oneof(fc.constant(0), fc.nat(40)), { minLength: 3, maxLength: 3 });
  const tally = { stopped: 0, passed: 0 };
  await fc.assert(
    fc.asyncProperty(logs, limits, until, async (log, invalidLimit, offsets) => {
      await forgetAccepted();
      const accepted = new Map(offsets.map((offset, index) => [index - 1, offset]));
      const run = async () => {
        const path = await builder.write(log, 'parquet');
        return builder.backfill(log, path, log.steps.length, { invalidLimit });
      };
      for (const [partition, offset] of accepted) await acceptInvalid(builder.pool, 'visits', partition, offset);
      const stops = stopsBatch({ ...invalidLimit, accepted }, log, log.steps.length);
      tally[stops ? 'stopped' : 'passed']++;
      if (stops) await expect(run()).rejects.toMatchObject(STOPS);
      else expectOutcomes(await (await run()).built(), oracleOf(log));
    }),
    { ...lawRuns(40), endOnFailure: true },
  );
  expect(Math.min(tally.stopped, tally.passed)).toBeGreaterThan(2);
});
