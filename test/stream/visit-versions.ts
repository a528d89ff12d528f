/** Versions of the visits' view, built from a log by the real backfill and stream, and held against the oracle. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect } from 'vitest';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledSource, CompiledView } from '../../engine/define/compiled-view.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { setVersionStatus, viewVersion } from '../../engine/postgres/view-versions.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { expectSameBits } from '../laws/engine-reads.ts';
import { visitsView } from '../laws/log/visit-definitions.ts';
import { appendVisits, emptyTopic, type VisitFormat, writeVisits } from '../laws/log/visit-files.ts';
import { servedValues } from '../oracle/read.ts';
import { oracleLog, type OracleOutcomes } from '../oracle/source-log.ts';
import { type OracleViewLog, oracleView } from '../oracle/view.ts';
import { oracleLogOf, type Visit, type VisitLog, type VisitStep, visitSource, visitView } from '../oracle/visits.ts';
import { createMemoryLogReader, type MemoryBroker } from './memory-log.ts';
import { catalogRows, openStreamDatabase, stateBytes } from './stream-fixture.ts';

/** What a version has become. */
export interface BuiltVisits {
  readonly version: number;
  /** Key and state bytes of every entity. */
  readonly states: readonly string[];
  /** Of batch and stream together. */
  readonly counts: Readonly<Record<string, number>>;
  /** By partition. */
  readonly watermarks: ReadonlyMap<number, number | null>;
  /** `partition/offset` of the dead letters. */
  readonly deadLetters: readonly string[];
}

/** A version on its way. */
export interface VisitRun {
  readonly log: VisitLog;
  readonly view: CompiledView;
  readonly version: number;
  readonly broker: MemoryBroker;
  /** Appends these steps and runs the stream to the present end. Throws what stops it. */
  stream(steps: readonly VisitStep[]): Promise<void>;
  /** What it has become so far. */
  built(): Promise<BuiltVisits>;
}

export interface VisitBuilder {
  readonly pool: pg.Pool;
  /** A new folder with the history of a log; gives its glob. */
  write(log: VisitLog, format: VisitFormat): Promise<string | null>;
  /** Backfills the first `count` steps of a log, and makes the version live in place of the last one. Throws what stops it. */
  backfill(
    log: VisitLog,
    historyPath: string | null,
    count: number,
    source?: Partial<CompiledSource>,
  ): Promise<VisitRun>;
  /** Backfills the first `cuts[0]` steps of a log, then streams up to each further cut, and to the end. */
  build(log: VisitLog, historyPath: string | null, cuts: readonly number[]): Promise<BuiltVisits>;
  /** What the live version serves of every entity, at and around its newest event and at the edges after it, is the oracle's. */
  expectServed(log: VisitLog, entities: OracleViewLog<Visit>['entities']): Promise<void>;
  close(): Promise<void>;
}

/** A builder with a database and a folder of its own. */
export async function openVisitBuilder(databaseUrl: string): Promise<VisitBuilder> {
  const database = await openStreamDatabase(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-visits-'));
  const duckdb: DuckDb = await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') });
  const { pool } = database;
  let folders = 0;
  let versions = 0;

  const backfill: VisitBuilder['backfill'] = async (log, historyPath, count, source = {}) => {
    const view = await visitsView(log.settings, historyPath, source);
    const broker = emptyTopic(log);
    const reader = createMemoryLogReader(broker, () => 7);
    const clock = { nowUs: () => log.gUs, monotonicMs: () => performance.now() };
    appendVisits(broker, log.steps.slice(0, count));
    const { version } = await runBackfill({
      view,
      pool,
      reader,
      spillDir: folder,
      clock,
      builder: 'visits',
    });
    const superseded = `UPDATE millrace_catalog.view_version SET status = 'superseded' WHERE view = $1 AND status = 'live'`;
    await pool.query(superseded, [view.name]);
    await setVersionStatus(pool, view.name, version, ['built'], 'live');
    versions++;
    let attempts = 0;
    return {
      log,
      view,
      version,
      broker,
      stream: async (steps) => {
        appendVisits(broker, steps);
        const { ended } = await runStream({
          view,
          version,
          pool,
          reader,
          clock,
          until: 'present-end',
          fence: { generation: versions, attemptMs: ++attempts, owner: 'visits' },
          limits: { batchRecords: 5, maxBatchRecords: 9, batchMs: 1 },
        });
        expect(ended).toBe('present-end');
      },
      built: async () => builtVersion(view.name, version, await stateBytes(pool, view, version)),
    };
  };

  const build: VisitBuilder['build'] = async (log, historyPath, cuts) => {
    const run = await backfill(log, historyPath, cuts[0]!);
    for (const [index, from] of cuts.entries()) await run.stream(log.steps.slice(from, cuts[index + 1]));
    return run.built();
  };

  async function builtVersion(name: string, version: number, states: readonly string[]): Promise<BuiltVisits> {
    const offsets = await catalogRows(pool, 'stream_offset', name, version);
    const counts: Record<string, number> = {};
    for (const part of [(await viewVersion(pool, name, version))!.counts, ...offsets.map((row) => row['counts'])]) {
      for (const [count, more] of Object.entries(part as object)) counts[count] = (counts[count] ?? 0) + Number(more);
    }
    const letters = await catalogRows(pool, 'dead_letter', name, version);
    return {
      version,
      states,
      counts,
      watermarks: new Map(offsets.map((row) => [row['partition'] as number, row['watermark_us'] as number | null])),
      deadLetters: letters.map((row) => `${String(row['partition'])}/${String(row['offset'])}`).sort(),
    };
  }

  const expectServed: VisitBuilder['expectServed'] = async ({ settings, gUs }, entities) => {
    const { layout, name } = await visitsView(settings, null);
    const view = visitView(settings.idKind);
    // A store knows for a while what it has found out of a version.
    const store = createOnlineStore({ pool, clock: { nowUs: () => gUs, monotonicMs: () => performance.now() } });
    for (const who of [...entities.keys(), 'nobody']) {
      const events = entities.get(who) ?? [];
      const newestUs = events.length === 0 ? gUs : Math.max(...events.map(({ eventTimeUs }) => eventTimeUs));
      for (const afterUs of [1, 0, -1, 90e6, 3600e6, 86_400e6, 13 * 86_400e6, -60e6]) {
        const atUs = newestUs + afterUs;
        const [read] = await store.get(name, [[who]], { atUs });
        const expected = servedValues(view, events, atUs);
        expect([who, atUs, read!.found, read!.ahead]).toEqual([who, atUs, expected.found, expected.ahead]);
        const sound = expected.values.map((value) => (typeof value === 'symbol' ? null : value));
        expectSameBits(layout, atUs, read!.values, sound);
        // An error of the oracle is called by its code.
        const failed = view.features.flatMap((feature, index) => {
          const value = expected.values[index]!;
          return typeof value === 'symbol' ? [[feature.name, value.description]] : [];
        });
        expect(read!.errors ?? {}).toEqual(Object.fromEntries(failed));
      }
    }
  };

  return {
    pool,
    backfill,
    write: (log, format) => writeVisits(duckdb, join(folder, `history-${++folders}`), log, format),
    build,
    expectServed,
    close: async () => {
      await duckdb.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the oracle makes of a log and of the view over it. */
export function oracleOf(log: VisitLog): { outcomes: OracleOutcomes<Visit>; view: OracleViewLog<Visit> } {
  const outcomes = oracleLog(visitSource(log.settings), oracleLogOf(log));
  return { outcomes, view: oracleView(visitView(log.settings.idKind), outcomes.steps) };
}

/** Counts, watermarks and dead letters are the oracle's. */
export function expectOutcomes(built: BuiltVisits, { outcomes, view }: ReturnType<typeof oracleOf>): void {
  const of = (outcome: string) => outcomes.steps.filter((step) => step.outcome === outcome);
  const invalid = [...of('invalid'), ...view.failed];
  expect(built.counts).toEqual({
    records: outcomes.steps.length,
    tombstones: of('tombstone').length,
    invalid: invalid.length,
    outsideUntil: of('outside-until').length,
    duplicates: of('duplicate').length,
    undeduped: outcomes.steps.filter(({ undeduped }) => undeduped).length,
    filtered: view.filtered,
    nullKey: view.nullKey,
    // A view with a lifetime feature has no late events.
    late: 0,
    applied: [...view.entities.values()].flat().length,
  });
  expect(built.deadLetters).toEqual(invalid.map(({ partition, offset }) => `${partition}/${offset}`).toSorted());
  const watermarks = [...outcomes.progress].filter(([partition]) => partition >= 0);
  expect(watermarks.map(([partition]) => [partition, built.watermarks.get(partition)])).toEqual(
    watermarks.map(([partition, { watermarkUs }]) => [partition, Number.isFinite(watermarkUs) ? watermarkUs : null]),
  );
}
