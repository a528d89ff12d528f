import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import { overlaps } from '../oracle/source-log.ts';
import { openVisitBuilder, oracleOf, type VisitBuilder } from './visit-versions.ts';

let builder: VisitBuilder;
beforeAll(async () => {
  builder = await openVisitBuilder(inject('stack').databaseUrl);
});
afterAll(() => builder.close());

const REFUSED = { code: 'history-overlaps-topic' };

test(`a topic that begins before history ends is refused by batch or stream, whichever comes to its beginning (seed ${lawSeed})`, async () => {
  const logs = randomVisits({ historyRows: 4, topicRecords: 10, partitions: 3, settings: { untilUs: null } });
  const tally = { batch: 0, stream: 0, neither: 0 };
  await fc.assert(
    fc.asyncProperty(logs, fc.nat(10), async (log, part) => {
      const path = await builder.write(log, 'jsonl');
      const cut = Math.min(part, log.steps.length);
      const history = path === null ? null : { path, untilUs: null, disjoint: false };
      const backfill = builder.backfill(log, path, cut, { history });
      if (overlaps(oracleOf({ ...log, steps: log.steps.slice(0, cut) }).outcomes)) {
        tally.batch++;
        await expect(backfill).rejects.toMatchObject(REFUSED);
        return;
      }
      const going = (await backfill).stream(log.steps.slice(cut));
      const refused = overlaps(oracleOf(log).outcomes);
      tally[refused ? 'stream' : 'neither']++;
      if (refused) await expect(going).rejects.toMatchObject(REFUSED);
      else await going;
    }),
    { ...lawRuns(50), endOnFailure: true },
  );
  expect(Math.min(tally.batch, tally.stream, tally.neither)).toBeGreaterThan(1);
});
