import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import type { Clock } from '../values/clock.ts';
import { viewNeedsKafka } from '../topic/topic-errors.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import { openDuckDb } from '../duckdb/duckdb.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { SavedLog } from '../log/scan-log.ts';
import { processHashes } from '../history/file-hashes.ts';
import { type HistoryReads, presentHistory } from '../history/named-history.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import type { MemoryBudget, MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { processMemory } from '../memory/process-memory.ts';
import { catalog, run } from '../postgres/catalog.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { liveVersion } from '../postgres/live-version.ts';
import { noteHistory, type ViewVersion } from '../postgres/view-versions.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { type BackfillProgress, ProgressReporter } from './backfill-progress.ts';
import { beginBuild, type BegunBuild, startOver } from './begin-build.ts';
import { type BuildAttempt, holdVersion } from './build-attempt.ts';
import { checkHistoryCovered, checkTopicCovered, type CoveredLog, coveredLog } from './covered-log.ts';
import { discardVersion } from './discard-version.ts';
import { loadVersion } from './load-version.ts';
import { ProgressSaver, SAVE_PACE, type SavePace } from './progress-saver.ts';
import { rowsOf, savedLog, type SavedPoint, stretchOf, uncountAttempt } from './saved-progress.ts';
import { savedStates } from './saved-states.ts';
import { scanStates } from './scan-states.ts';
import { statesObstacle } from './states-obstacle.ts';
import { takeStates } from './take-states.ts';
import { StateBuffer } from './state-buffer.ts';
import { LEAST_BACKFILL_MEMORY, StateMemory } from './state-memory.ts';

export interface BackfillOptions {
  readonly view: CompiledView;
  /** Migrated. */
  readonly pool: pg.Pool;
  /** For the topic of the view's source; null where it has none. */
  readonly reader: LogReader | null;
  /** Folder for what does not fit in memory. */
  readonly spillDir: string;
  /** What it shares with the rest of the process; it waits for its least of it. Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
  /** For tests: what states may take before they are spilled. */
  readonly mostMemory?: Partial<MemoryAmount> | undefined;
  readonly clock: Clock;
  /** Honoured between batches. */
  readonly signal?: AbortSignal | undefined;
  /** A version whose log this one's must reach back as far as; null or none: what there is will do. */
  readonly covers?: number | null | undefined;
  /** Whether it may be made of the live version's states, where a build from the log would come to the same. Default: built from the log. */
  readonly mayTakeStates?: boolean | undefined;
  /** Who builds, as the catalog notes it. */
  readonly builder: string;
  /**
   * Of which build this is an attempt: what one of them has saved, the next goes on from, and an attempt that fails by what may pass leaves it there.
   * Left out: no other may go on with it, and on error nothing of it stays.
   */
  readonly attempt?: BuildAttempt | undefined;
  /** How often an attempt saves what it has done. Default: about once a minute, for a twentieth of the time at most. */
  readonly pace?: SavePace | undefined;
  /** Called where it waits for memory, with what for; with null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  /** Called at least once a second. */
  readonly onProgress?: ((progress: BackfillProgress) => void) | undefined;
}

export interface BackfillResult {
  readonly view: string;
  readonly version: number;
  /** History rows and topic records looked at. */
  readonly rows: number;
  readonly entities: number;
  readonly counts: LogCounts;
  readonly cut: Cut | null;
  /** Name of the table in the schema of states. */
  readonly stateTable: string;
  /** The version of whose states it was made; null: it was built from the log. */
  readonly madeFrom: number | null;
}

/**
 * Builds a new version of a view from the whole log up to a cut, and leaves it `built`: complete, and unknown to readers until
 * `publishVersion`. Other unpublished versions of the view are swept first. With `attempt`, it goes on where an attempt of the same build before it
 * saved last: up to the same cut, over the same files (other files: it begins anew), and what comes of it is to the bit what one attempt would have
 * come to. An abort, and an error that may pass, leave what is saved; after any other error nothing of the version stays.
 *
 * @throws MillraceError `memory-limit-too-small`, what `scanLog` and `takeCut` throw; with `covers` `offsets-gone`, `topic-recreated`, `cluster-changed`, `history-changed`; `kafka-not-configured`, `too-many-invalid-records`, `backfill-superseded`,
 * `backfill-gets-nowhere`, and the signal's reason.
 * @example
 * const { version, entities } = await runBackfill({ view, pool, reader, spillDir: '/var/tmp', clock: systemClock, builder: 'me' });
 * await publishVersion({ pool, view, version });
 */
export async function runBackfill(options: BackfillOptions): Promise<BackfillResult> {
  const { view, signal, onWait, memory = processMemory() } = options;
  signal?.throwIfAborted();
  const what = `backfill of ${view.name}`;
  return await withBatchMemory(memory, LEAST_BACKFILL_MEMORY, what, { signal, onWait }, (reserved) =>
    backfillWithin(options, { memory, reserved }),
  );
}

/** What a backfill has of its process's memory. */
interface OwnMemory {
  readonly memory: MemoryBudget;
  readonly reserved: MemoryReservation;
}

async function backfillWithin(options: BackfillOptions, own: OwnMemory): Promise<BackfillResult> {
  const { view, reader } = options;
  if (view.source.topic !== null && reader === null) throw viewNeedsKafka(view);
  const begun = await beginBuild({ ...options, attempt: options.attempt, check: () => refuseUncovered(options) });
  if ('built' in begun) return resultOf(begun.built);
  try {
    return (await madeOfStates(options, begun)) ?? (await buildOrStartOver(options, own, begun));
  } catch (error) {
    if (isOver(options, error)) await discardQuietly(options, begun.version);
    else if (isMillraceError(error) && error.waits) await uncountQuietly(options, begun);
    throw error;
  }
}

/** A version that cannot cover the log it is to cover is not even begun. What is read later is checked by its own cut. */
async function refuseUncovered({ view, pool, reader, clock, covers }: BackfillOptions): Promise<void> {
  const { topic } = view.source;
  if (covers == null || topic === null || reader === null) return;
  const cut = await takeCut(reader, topic, clock);
  const covered = cut === null ? null : await coveredLog(pool, view.name, covers);
  if (cut !== null && covered !== null) checkTopicCovered(covered, cut);
}

/** Whether nobody can go on with what an attempt leaves. */
function isOver({ attempt, signal }: BackfillOptions, error: unknown): boolean {
  if (attempt === undefined) return true;
  if (signal?.aborted === true || !isMillraceError(error) || error.code === 'backfill-superseded') return false;
  return !error.waits && !error.retryable;
}

async function discardQuietly({ pool, view }: BackfillOptions, version: number): Promise<void> {
  try {
    await discardVersion({ pool, view: view.name, version });
  } catch {
    // The database is away, too; the version stays `building`, invisible, until the next run sweeps it. The first error tells more.
  }
}

/** An attempt that ended because something has to be waited for is none that got nowhere. */
async function uncountQuietly({ pool, view }: BackfillOptions, begun: BegunBuild): Promise<void> {
  try {
    await uncountAttempt(pool, { view: view.name, ...begun });
  } catch {
    // The database is what is away: no attempt begins before it is back.
  }
}

/** What a version is that an attempt before had built, and not told of. */
function resultOf({ view, version, counts, entities, cut, stateTable, madeFrom }: ViewVersion): BackfillResult {
  const all = { ...emptyCounts(), ...counts };
  return { view, version, rows: all.records, entities, counts: all, cut, stateTable, madeFrom };
}

/** Null where it is to be built from the log. */
async function madeOfStates(options: BackfillOptions, begun: BegunBuild): Promise<BackfillResult | null> {
  const { view, pool, reader, clock, signal, mayTakeStates = false } = options;
  if (!mayTakeStates || begun.saved !== null) return null;
  const { version, stateTable, attemptMs } = begun;
  const live = await liveVersion(pool, view.name);
  if (live === null || (await statesObstacle({ view, live, pool, reader, signal })) !== null) return null;
  const progress = new ProgressReporter(clock, 0, false, options.onProgress);
  try {
    const held = { view: view.name, version, attemptMs };
    const from = live.version;
    const made = await takeStates({ pool, view, held, stateTable, from, clock, progress, signal });
    return made && { ...made, view: view.name, version, rows: made.counts.records, stateTable, madeFrom: from };
  } finally {
    progress.stop();
  }
}

async function buildOrStartOver(options: BackfillOptions, own: OwnMemory, begun: BegunBuild): Promise<BackfillResult> {
  try {
    return await buildVersion(options, own, begun, null);
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'resume-refused') throw error;
    return await buildVersion(options, own, await startOver(options.pool, options.view.name, begun), error.message);
  }
}

/** The cut that a build is up to, and the log it is to cover; noted in the catalog before the first record is read. */
async function cutOf(
  options: BackfillOptions,
  { version, attemptMs, saved }: BegunBuild,
): Promise<{ readonly cut: Cut | null; readonly covered: CoveredLog | null }> {
  const { view, pool, reader, clock, covers } = options;
  const { topic } = view.source;
  if (topic === null || reader === null) return { cut: null, covered: null };
  const cut = saved === null ? await takeCut(reader, topic, clock) : saved.cut;
  const covered = cut === null || covers == null ? null : await coveredLog(pool, view.name, covers);
  if (saved !== null || cut === null) return { cut, covered };
  if (covered !== null) checkTopicCovered(covered, cut);
  await withTransaction(pool, async (client) => {
    await holdVersion(client, { view: view.name, version, attemptMs });
    await run(
      client,
      catalog
        .updateTable('view_version')
        .set({ cut: JSON.stringify(cut) })
        .where('view', '=', view.name)
        .where('version', '=', version),
    );
  });
  return { cut, covered };
}

/** The files that a build reads, noted in the catalog before the first is read, as its cut is. Null: the source has no history, or it was not noted. */
async function filesOf(
  { view, pool, signal }: BackfillOptions,
  { version, attemptMs, saved }: BegunBuild,
): Promise<HistoryReads | null> {
  const { source } = view;
  if (source.history === null) return null;
  const of = `version ${version} of view "${view.name}"`;
  if (saved !== null) return saved.history === null ? null : { of, files: saved.history.files };
  const { files } = await presentHistory(source, processHashes, signal);
  await withTransaction(pool, async (client) => {
    await holdVersion(client, { view: view.name, version, attemptMs });
    await noteHistory(client, view.name, version, { files });
  });
  return { of, files };
}

/** @param restarted why what an attempt before had saved is of no use, where it is not */
async function buildVersion(
  options: BackfillOptions,
  own: OwnMemory,
  begun: BegunBuild,
  restarted: string | null,
): Promise<BackfillResult> {
  const { view, pool, reader, clock, signal, spillDir } = options;
  const { version, stateTable, attemptMs, accepted, saved } = begun;
  const { cut, covered } = await cutOf(options, begun);
  const topicRows = cut?.partitions.reduce((sum, part) => sum + part.endOffset - part.lowOffset, 0) ?? 0;
  const progress = new ProgressReporter(clock, topicRows, view.source.history !== null, options.onProgress);
  if (restarted !== null) progress.restarted(restarted);
  const duckdb = await openDuckDb({ memory: own.memory, tempDir: spillDir });
  const memory = new StateMemory(own.reserved, options.mostMemory);
  const states = new StateBuffer(createViewReducer(view.layout), duckdb, memory);
  const held = { view: view.name, version, attemptMs };
  try {
    if (saved !== null) progress.resumed(rowsOf(saved.point));
    progress.begin('cut');
    const reads = await filesOf(options, begun);
    const log = saved === null ? null : await recall(options, begun, saved.point, states);
    const pace = options.pace ?? SAVE_PACE;
    const saver =
      attemptMs === null
        ? null
        : new ProgressSaver({ ...held, pool, stateTable, source: view.source.name, states, clock, pace });
    const { figures, counts, limit } = await scanStates({
      view,
      held,
      cut,
      reads,
      reader,
      duckdb,
      listings: storedListings(pool, clock),
      accepted,
      states,
      saved: saved === null || log === null ? null : { log, counts: saved.point.counts },
      saver,
      pool,
      memory: own.memory,
      signal,
      onWait: options.onWait,
      progress,
    });
    if (covered !== null) checkHistoryCovered(covered, figures.files);
    const entities = await withTransaction(pool, (client) =>
      loadVersion(client, {
        view,
        version,
        stateTable,
        attemptMs,
        cut,
        figures,
        counts,
        limit,
        rows: states.rows(signal),
        signal,
        progress,
      }),
    );
    return { view: view.name, version, rows: counts.records, entities, counts, cut, stateTable, madeFrom: null };
  } finally {
    progress.stop();
    await states.close();
    await duckdb.close();
  }
}

/** Takes the states that were saved, and gives the place in the log that the scan goes on from. */
function recall(
  { view, pool }: BackfillOptions,
  { version, stateTable }: BegunBuild,
  point: SavedPoint,
  states: StateBuffer,
): Promise<SavedLog> {
  return withTransaction(pool, async (client) => {
    await states.recall(savedStates(client, stateTable), stretchOf(point), point.position);
    return await savedLog(client, view.name, version, point);
  });
}
