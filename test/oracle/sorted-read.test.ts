import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';
import { randomVisits } from './random-visits.ts';
import { trainingValues } from './read.ts';
import { sortedEvents, sortedTrainingValues } from './sorted-read.ts';
import { oracleLog } from './source-log.ts';
import { oracleView } from './view.ts';
import { oracleLogOf, visitSource, visitView } from './visits.ts';

test(`reads by bisection are the naive ones (seed ${lawSeed})`, () => {
  const logs = randomVisits({ historyRows: 0, topicRecords: 80, partitions: 1 });
  const after = fc.constantFrom(
    -1,
    0,
    1,
    30e6,
    60e6,
    90e6,
    3000e6,
    3600e6,
    86_400e6,
    2 * 86_400e6 - 1,
    2 * 86_400e6,
    86_400e6 + 1,
    13 * 86_400e6,
  );
  fc.assert(
    fc.property(logs, fc.array(fc.tuple(fc.nat(1000), after), { maxLength: 20 }), (log, reads) => {
      const view = visitView(log.settings.idKind);
      const { entities } = oracleView(view, oracleLog(visitSource(log.settings), oracleLogOf(log)).steps);
      for (const events of entities.values()) {
        const sorted = sortedEvents(view, events);
        // One id twice at one time is beyond it: such ties break by value, each feature on its own.
        const ties = sorted.some(
          ({ eventTimeUs, id }, at) =>
            id !== null && sorted[at + 1]?.id === id && sorted[at + 1]!.eventTimeUs === eventTimeUs,
        );
        if (ties) continue;
        for (const [pick, afterUs] of reads) {
          const atUs = events[pick % events.length]!.eventTimeUs + afterUs;
          expect(sortedTrainingValues(view, sorted, atUs)).toEqual(trainingValues(view, events, atUs));
        }
      }
    }),
    lawRuns(300),
  );
});
