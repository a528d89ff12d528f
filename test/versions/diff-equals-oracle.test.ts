import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import { parseDateTime } from '../../engine/values/iso-time.ts';
import { diffVersions } from '../../engine/versions/diff-versions.ts';
import type { VersionsDiff } from '../../engine/versions/diff-types.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';
import { VISITS_TOPIC } from '../laws/log/visit-definitions.ts';
import { appendVisits, emptyTopic, writeVisits } from '../laws/log/visit-files.ts';
import { randomVisits } from '../oracle/random-visits.ts';
import { oracleLog } from '../oracle/source-log.ts';
import { oracleLogOf, type VisitLog, visitSource } from '../oracle/visits.ts';
import { createMemoryLogReader } from '../stream/memory-log.ts';
import { oracleDiff, type OracleDiffSide } from './diff-oracle.ts';
import { drawnDefinition, type DrawnDefinition, engineView, oracleDefinition, VARIANTS } from './random-definitions.ts';

let folder: string;
let duckdb: DuckDb;
let folders = 0;
const seen = { differing: 0, errors: 0, cut: 0, sampled: 0, twoScans: 0, retyped: 0 };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-diff-'));
  duckdb = await openDuckDb({ memoryMb: 512, tempDir: join(folder, 'spill') });
});
afterAll(async () => {
  console.log(`seen: ${JSON.stringify(seen)}`);
  await duckdb.close();
  await rm(folder, { recursive: true, force: true });
});

interface Drawn {
  readonly log: VisitLog;
  readonly before: DrawnDefinition;
  readonly after: DrawnDefinition;
  readonly most: number;
  readonly atShare: number | null;
  readonly cutAt: number;
  /** The newer one holds its own source: another dedupe horizon. */
  readonly horizonUs: number | null;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  log: randomVisits({ historyRows: 30, topicRecords: 50, partitions: 3, settings: { idKind: 'text' } }),
  before: drawnDefinition,
  after: drawnDefinition,
  most: fc.constantFrom(1, 2, 3, 200_000, 200_000),
  atShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 2 }),
  cutAt: fc.nat(50),
  horizonUs: fc.option(fc.constantFrom(0, 60_000_000), { freq: 3 }),
});

/** `at` of the past: between the first and the last event. */
function timeWithin({ log }: Drawn, share: number): number {
  const { steps } = oracleLog(visitSource(log.settings), oracleLogOf(log));
  const times = steps.flatMap(({ outcome, eventTimeUs }) => (outcome === 'event' ? [eventTimeUs!] : []));
  if (times.length === 0) return log.gUs;
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))]! + 1;
}

async function both(one: Drawn): Promise<{ diff: VersionsDiff; oracle: ReturnType<typeof oracleDiff> }> {
  const { log, before, after, most, atShare, cutAt, horizonUs } = one;
  const path = await writeVisits(duckdb, join(folder, `h${++folders}`), log, 'jsonl');
  const clock = { nowUs: () => log.gUs, monotonicMs: () => 0 };
  const broker = emptyTopic(log);
  const reader = createMemoryLogReader(broker, () => 7);
  appendVisits(broker, log.steps.slice(0, cutAt));
  const cut = await takeCut(reader, VISITS_TOPIC, clock);
  appendVisits(broker, log.steps.slice(cutAt));
  const newer = { ...log.settings, ...(horizonUs === null ? {} : { horizonUs }) };
  const views = await Promise.all([engineView(before, log.settings, path), engineView(after, newer, path)]);
  const atUs = atShare === null ? null : timeWithin(one, atShare);
  const diff = await diffVersions({
    before: { view: views[0], version: 1, cut },
    after: { view: views[1], version: null, cut },
    entities: most,
    ...(atUs === null ? {} : { atUs }),
    reader,
    listings: listingsOfProcess(clock),
    spillDir: join(folder, 'spill'),
  });
  const side = (definition: DrawnDefinition, settings: VisitLog['settings']): OracleDiffSide => ({
    view: oracleDefinition(definition),
    steps: oracleLog(visitSource(settings), oracleLogOf(log, cutAt)).steps,
    types: definition.features.map(([name, variant]) => VARIANTS[name]![variant]!.type),
  });
  return { diff, oracle: oracleDiff(side(before, log.settings), side(after, newer), most, atUs) };
}

test(`two definitions differ in the cells that the oracle says, over any log, cut and time (seed ${lawSeed})`, async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (one) => {
      const { diff, oracle } = await both(one);
      expect(diff.incomparable).toBeNull();
      expect(diff.entities).toBe(oracle.entities.length);
      expect(diff.isWhole).toBe(oracle.entities.length === oracle.all);
      if (diff.at !== null || oracle.atUs !== null)
        expect(parseDateTime(diff.at!, { offset: true, local: false, truncate: false, relaxed: false })).toBe(
          oracle.atUs,
        );
      const told = diff.features.map(({ feature, cells, differing, nullToValue, valueToNull, errors, numbers }) => ({
        feature,
        cells,
        differing,
        nullToValue,
        valueToNull,
        errors,
        numbers: numbers === null ? null : [numbers.cells, numbers.difference.min, numbers.difference.max],
      }));
      expect(told).toEqual(
        oracle.features.map(({ differences, ...feature }) => {
          const held = differences.map((value) => Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)));
          const numbers = held.length === 0 ? null : [held.length, Math.min(...held), Math.max(...held)];
          return { ...feature, numbers };
        }),
      );
      seen.differing += diff.differing;
      seen.errors += diff.features.reduce((sum, { errors }) => sum + errors, 0);
      seen.cut += one.cutAt < one.log.steps.length ? 1 : 0;
      seen.sampled += diff.isWhole ? 0 : 1;
      seen.twoScans += diff.isOneScan ? 0 : 1;
      seen.retyped += diff.retyped.length;
    }),
    { ...lawRuns(120), endOnFailure: true },
  );
  // Every kind was met.
  expect(Object.entries(seen).filter(([, times]) => times === 0)).toEqual([]);
});

test(`equal definitions differ in no cell, whatever the log (seed ${lawSeed})`, async () => {
  let cells = 0;
  await fc.assert(
    fc.asyncProperty(drawn, async (one) => {
      const { diff } = await both({ ...one, after: one.before, horizonUs: null });
      expect(diff.differing).toBe(0);
      expect(diff.isOneScan).toBe(true);
      expect([diff.onlyBefore, diff.onlyAfter, diff.retyped, diff.logs]).toEqual([[], [], [], []]);
      cells += diff.cells;
    }),
    { ...lawRuns(20), endOnFailure: true },
  );
  expect(cells).toBeGreaterThan(50);
});
