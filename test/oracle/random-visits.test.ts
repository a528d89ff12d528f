/** Random logs must meet the edges they are for: what they never meet, no comparison with them can tell. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lawSeed } from '../laws/law-seed.ts';
import { randomVisits } from './random-visits.ts';
import { trainingValues } from './read.ts';
import { type OracleStep, oracleLog, overlaps } from './source-log.ts';
import { oracleView } from './view.ts';
import { oracleLogOf, type Visit, type VisitLog, visitSource, visitView } from './visits.ts';

const LOGS = 400;

/** Everything a log met, by name. */
function met({ settings, gUs, files, ...log }: VisitLog): string[] {
  const { horizonUs, maxAheadUs, untilUs } = settings;
  const source = visitSource(settings);
  const outcomes = oracleLog(source, oracleLogOf({ settings, gUs, files, ...log }));
  const names: string[] = outcomes.steps.map((step) => `${step.partition < 0 ? 'history' : 'topic'} ${nameOf(step)}`);
  if (files.length > 1 && files.every(({ rows }) => rows.length > 0)) names.push('several files');
  if (outcomes.progress.size > 1 + log.firstPartitions) names.push('a partition added later');
  if (overlaps(outcomes)) names.push('overlap');

  for (const [partition, steps] of Map.groupBy(outcomes.steps, (step) => step.partition)) {
    const inOrder = partition < 0 ? steps.toSorted((a, b) => (a.eventTimeUs ?? 0) - (b.eventTimeUs ?? 0)) : steps;
    const claims = new Map(partition < 0 ? [] : outcomes.history.claims);
    let watermarkUs = partition < 0 ? Number.NEGATIVE_INFINITY : outcomes.history.watermarkUs;
    for (const { outcome, eventTimeUs, id, offset } of inOrder) {
      const brokerTimeUs =
        partition < 0 ? gUs : log.steps.filter((step) => step.partition === partition)[offset]!.brokerTimeUs;
      const aheadUs =
        eventTimeUs === null || brokerTimeUs === null || maxAheadUs === null
          ? null
          : eventTimeUs - brokerTimeUs - maxAheadUs;
      if (aheadUs === 0 || aheadUs === 1) names.push(`${partition < 0 ? 'G' : 'broker'} + maxAhead + ${aheadUs}`);
      if (untilUs !== null && (eventTimeUs === untilUs || eventTimeUs === untilUs - 1)) {
        names.push(`${partition < 0 ? 'history' : 'topic'} until + ${eventTimeUs - untilUs}`);
      }
      if (outcome !== 'event' && outcome !== 'duplicate') continue;
      const claimUs = id === null ? undefined : claims.get(id);
      const past = claimUs === undefined ? null : Math.max(watermarkUs, eventTimeUs!) - claimUs - horizonUs;
      if (past !== null && Math.abs(past) <= 1) {
        names.push(`repeat at horizon + ${past}, by the ${eventTimeUs! > watermarkUs ? 'own time' : 'watermark'}`);
      }
      if (past !== null && past <= 0 && partition >= 0 && outcomes.history.claims.get(id!) === claimUs) {
        names.push('repeat across the boundary');
      }
      if (eventTimeUs === watermarkUs - horizonUs) names.push('at watermark − horizon');
      if (outcome === 'event' && id !== null) claims.set(id, eventTimeUs!);
      watermarkUs = Math.max(watermarkUs, eventTimeUs!);
    }
  }
  for (const events of oracleView(visitView(settings.idKind), outcomes.steps).entities.values()) {
    const view = visitView(settings.idKind);
    for (const { eventTimeUs } of events) {
      const values = trainingValues(view, events, eventTimeUs + 1);
      if (values.some((value) => typeof value === 'symbol')) names.push('out of range');
      if (events.filter((other) => other.eventTimeUs === eventTimeUs).length > 1) names.push('a tie');
    }
  }
  return names;
}

const nameOf = ({ outcome, reason, undeduped }: OracleStep<Visit>): string =>
  undeduped ? 'undeduped' : outcome === 'invalid' ? `invalid: ${reason}` : outcome;

const EDGES = [
  'several files',
  'a partition added later',
  'overlap',
  'a tie',
  'out of range',
  'history event',
  'history duplicate',
  'history outside-until',
  'history invalid: ahead-of-history',
  'topic event',
  'topic duplicate',
  'topic undeduped',
  'topic outside-until',
  'topic tombstone',
  'topic invalid: ahead-of-broker',
  'topic invalid: no-broker-timestamp',
  'topic invalid: no JSON object',
  'G + maxAhead + 0',
  'G + maxAhead + 1',
  'broker + maxAhead + 0',
  'broker + maxAhead + 1',
  'history until + -1',
  'history until + 0',
  'topic until + -1',
  'topic until + 0',
  'repeat across the boundary',
  'repeat at horizon + -1, by the own time',
  'repeat at horizon + -1, by the watermark',
  'repeat at horizon + 0, by the own time',
  'repeat at horizon + 0, by the watermark',
  'repeat at horizon + 1, by the own time',
  'repeat at horizon + 1, by the watermark',
  'at watermark − horizon',
];

test(`random logs meet every edge (seed ${lawSeed})`, () => {
  const logs = randomVisits({ historyRows: 25, topicRecords: 50, partitions: 3 });
  const names = fc.sample(logs, { numRuns: LOGS, seed: lawSeed }).flatMap(met);
  const times = (edge: string) => names.filter((name) => name === edge).length;
  expect(EDGES.filter((edge) => times(edge) < 4)).toEqual([]);
});
