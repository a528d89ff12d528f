import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';
import { visitsView } from '../laws/log/visit-definitions.ts';
import { appendVisits, emptyTopic, type VisitFormat, writeVisits } from '../laws/log/visit-files.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import { TOO_MANY_DISTINCT } from '../oracle/exact.ts';
import { trainingValues } from '../oracle/read.ts';
import { oracleLog } from '../oracle/source-log.ts';
import { oracleView } from '../oracle/view.ts';
import { isoOf, oracleLogOf, type VisitLog, visitSource, visitView } from '../oracle/visits.ts';
import { createMemoryLogReader } from '../stream/memory-log.ts';
import { expectedCell, readParquet, testFolder, withDuckDb } from './training-fixture.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

/** A label: an entity, and a time drawn in relation to one of its events. */
interface Label {
  readonly who: number;
  readonly event: number;
  readonly afterUs: number;
}

const MINUTE = 60_000_000;
const EDGES = [
  30e6,
  MINUTE,
  90e6,
  2 * MINUTE,
  7 * MINUTE,
  50 * MINUTE,
  60 * MINUTE,
  120 * MINUTE,
  1440 * MINUTE,
  // When an entity expires.
  2880 * MINUTE,
  2880 * MINUTE,
  13 * 1440 * MINUTE,
];
const label: fc.Arbitrary<Label> = fc.record({
  who: fc.nat(3),
  event: fc.nat(1000),
  afterUs: fc.tuple(fc.constantFrom(0, 0, 0, ...EDGES), fc.constantFrom(0, 0, 1, -1)).map(([edge, off]) => edge + off),
});

const logs = randomVisits({ historyRows: 40, topicRecords: 60, partitions: 3 });

async function expectSet(
  log: VisitLog,
  labels: readonly Label[],
  format: VisitFormat,
  statesMb: number,
): Promise<void> {
  const folder = await testFolder();
  const historyPath = await withDuckDb((duckdb) => writeVisits(duckdb, join(folder, 'history'), log, format));
  const view = await visitsView(log.settings, historyPath);
  const service: CompiledService = { name: 'visits', blocks: plainBlocks([view]) };
  const broker = emptyTopic(log);
  appendVisits(broker, log.steps);

  const outcomes = oracleLog(visitSource(log.settings), oracleLogOf(log));
  const oracle = visitView(log.settings.idKind);
  const { entities, filtered, nullKey, failed } = oracleView(oracle, outcomes.steps);
  const spine = labels.map(({ who, event, afterUs }) => {
    const name = ['a', 'b', 'é\u{1F600}', 'nobody'][who]!;
    const events = entities.get(name) ?? [];
    const baseUs = events.length === 0 ? log.gUs : events[event % events.length]!.eventTimeUs;
    return { who: name, atUs: baseUs + afterUs };
  });
  const spinePath = join(folder, 'spine.jsonl');
  await writeFile(
    spinePath,
    spine.map(({ who, atUs }) => `${JSON.stringify({ who, event_timestamp: isoOf(atUs) })}\n`).join(''),
  );
  await mkdir(join(folder, 'out'));
  const out = join(folder, 'out', 'set.parquet');
  const manifest = await exportTrainingSet({
    service,
    spine: spinePath,
    out,
    mode: 'event-time',
    reader: createMemoryLogReader(broker),
    statesMb,
    onError: 'null',
    spillDir: join(folder, 'spill'),
    clock: { nowUs: () => log.gUs, monotonicMs: () => performance.now() },
  });

  const { rows } = await readParquet(out);
  const differences: unknown[] = [];
  const errorsOf = new Map<string, Record<string, number>>();
  // "coverage counts what was null before"
  const unfilled = { ...oracle, features: oracle.features.map((feature) => ({ ...feature, fill: undefined })) };
  const nulls = oracle.features.map(() => 0);
  for (const [index, { who, atUs }] of spine.entries()) {
    const values = trainingValues(oracle, entities.get(who) ?? [], atUs);
    for (const [feature, value] of trainingValues(unfilled, entities.get(who) ?? [], atUs).entries())
      if (value === null || typeof value === 'symbol') nulls[feature]! += 1;
    for (const [feature, { name }] of oracle.features.entries()) {
      const value = values[feature]!;
      if (typeof value === 'symbol') {
        const code = value === TOO_MANY_DISTINCT ? 'too-many-distinct' : 'value-out-of-range';
        const counts = errorsOf.get(name) ?? {};
        errorsOf.set(name, { ...counts, [code]: (counts[code] ?? 0) + 1 });
      }
      const expected = typeof value === 'symbol' ? null : expectedCell(view.layout.features[feature]!.result, value);
      const cell = rows[index]![`visitor_visits__${name}`];
      if (!isDeepStrictEqual(cell, expected)) differences.push({ who, atUs, name, cell, expected });
    }
  }
  expect(differences).toEqual([]);
  expect(manifest.views[0]!.features.map(({ nulls: counted }) => counted)).toEqual(nulls);
  expect(manifest.views[0]!.features.map(({ name, errors }) => [name, errors])).toEqual(
    oracle.features.map(({ name }) => [name, errorsOf.get(name) ?? {}]),
  );
  const unseen = spine.filter(({ who, atUs }) => {
    const before = (entities.get(who) ?? []).filter(({ eventTimeUs }) => eventTimeUs < atUs);
    return before.every(({ eventTimeUs }) => eventTimeUs <= atUs - oracle.expireUs!);
  });
  expect(manifest.views[0]!.rowsWithoutState).toBe(unseen.length);
  const count = (outcome: string) => outcomes.steps.filter((step) => step.outcome === outcome).length;
  expect(manifest.views[0]!.counts).toMatchObject({
    records: outcomes.steps.length,
    invalid: count('invalid') + failed.length,
    outsideUntil: count('outside-until'),
    duplicates: count('duplicate'),
    undeduped: outcomes.steps.filter(({ undeduped }) => undeduped).length,
    filtered,
    nullKey,
  });
}

test(`training sets over random logs are the oracle's, cell by cell (seed ${lawSeed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      logs,
      fc.array(label, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.constantFrom<VisitFormat>('jsonl', 'parquet'),
      fc.constantFrom(64, 0.0005),
      expectSet,
    ),
    { ...lawRuns(25), endOnFailure: true },
  );
});
