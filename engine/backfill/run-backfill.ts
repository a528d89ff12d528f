import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import type { Clock } from '../values/clock.ts';
import { viewNeedsKafka } from '../topic/topic-errors.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import { openDuckDb } from '../duckdb/duckdb.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { catalog, run } from '../postgres/catalog.ts';
import { createStateTable } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { insertVersion } from '../postgres/view-versions.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { layoutTag } from '../state/layout-tag.ts';
import { type BackfillProgress, ProgressReporter } from './backfill-progress.ts';
import { checkHistoryCovered, checkTopicCovered, type CoveredLog, coveredLog } from './covered-log.ts';
import { discardVersion } from './discard-version.ts';
import { loadVersion } from './load-version.ts';
import { scanStates } from './scan-states.ts';
import { StateBuffer } from './state-buffer.ts';
import { sweepAbandonedVersions } from './sweep-abandoned-versions.ts';

export interface BackfillOptions {
  readonly view: CompiledView;
  /** Migrated. */
  readonly pool: pg.Pool;
  /** For the topic of the view's source; null where it has none. */
  readonly reader: LogReader | null;
  /** Folder for what does not fit in memory. */
  readonly spillDir: string;
  /** Memory to stay within, MiB, DuckDB's share included. Default 2048. */
  readonly memoryMb?: number | undefined;
  readonly clock: Clock;
  /** Honoured between batches. */
  readonly signal?: AbortSignal | undefined;
  /** A version whose log this one's must reach back as far as; null or none: what there is will do. */
  readonly covers?: number | null | undefined;
  /** Who builds, as the catalog notes it. */
  readonly builder: string;
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
  /** Name of the table in schema `millrace_state`. */
  readonly stateTable: string;
}

const DEFAULT_MEMORY_MB = 2048;
/** Of the memory: what DuckDB may take, and the states. The rest is for chunks on their way, and for Node. */
const DUCKDB_SHARE = 0.45;
const STATES_SHARE = 0.35;

/**
 * Builds a new version of a view from the whole log up to a cut, and leaves it `built`: complete, and unknown to readers until
 * `publishVersion`. Unpublished versions of earlier runs are swept first. On error or abort nothing of this one stays.
 *
 * @throws MillraceError what `scanLog` and `takeCut` throw; with `covers` `offsets-gone`, `topic-recreated`, `cluster-changed`, `history-changed`; `kafka-not-configured`, `too-many-invalid-records`, `backfill-superseded`,
 * and the signal's reason.
 * @example
 * const { version, entities } = await runBackfill({ view, pool, reader, spillDir: '/var/tmp', clock: systemClock, builder: 'me' });
 * await publishVersion({ pool, view, version });
 */
export async function runBackfill(options: BackfillOptions): Promise<BackfillResult> {
  const { view, pool, reader, clock, signal } = options;
  const { source } = view;
  signal?.throwIfAborted();
  await sweepAbandonedVersions({ pool, view: view.name });
  let cut: Cut | null = null;
  if (source.topic !== null) {
    if (reader === null) throw viewNeedsKafka(view);
    cut = await takeCut(reader, source.topic, clock);
  }
  const covered = cut === null || options.covers == null ? null : await coveredLog(pool, view.name, options.covers);
  if (cut !== null && covered !== null) checkTopicCovered(covered, cut);
  const begun = await beginVersion(options, cut);
  try {
    return await buildVersion(options, cut, covered, begun);
  } catch (error) {
    try {
      await discardVersion({ pool, view: view.name, version: begun.version });
    } catch {
      // The database is away, too; the version stays `building`, invisible, until the next run sweeps it. The first error tells more.
    }
    throw error;
  }
}

interface BegunVersion {
  readonly version: number;
  readonly stateTable: string;
}

/** The version, its table and its cut stand in the catalog before the first record is read. */
function beginVersion({ view, pool, builder }: BackfillOptions, cut: Cut | null): Promise<BegunVersion> {
  const { layout, source } = view;
  return withTransaction(pool, async (client) => {
    const begun = await insertVersion(client, {
      view: view.name,
      fingerprint: view.fingerprint,
      layout,
      layoutTag: layoutTag(layout),
      source: source.name,
      topic: source.topic,
      builder,
    });
    await createStateTable(client, layout, begun.stateTable);
    await run(
      client,
      catalog
        .updateTable('millrace_catalog.view_version')
        .set({ cut: cut === null ? null : JSON.stringify(cut) })
        .where('view', '=', view.name)
        .where('version', '=', begun.version),
    );
    return begun;
  });
}

async function buildVersion(
  options: BackfillOptions,
  cut: Cut | null,
  covered: CoveredLog | null,
  begun: BegunVersion,
): Promise<BackfillResult> {
  const { view, pool, reader, clock, signal, spillDir } = options;
  const { version, stateTable } = begun;
  const memoryMb = options.memoryMb ?? DEFAULT_MEMORY_MB;
  const topicRows = cut?.partitions.reduce((sum, part) => sum + part.endOffset - part.lowOffset, 0) ?? 0;
  const progress = new ProgressReporter(clock, topicRows, view.source.history !== null, options.onProgress);
  const duckdb = await openDuckDb({ memoryMb: memoryMb * DUCKDB_SHARE, tempDir: spillDir });
  const states = new StateBuffer(createViewReducer(view.layout), duckdb, memoryMb * STATES_SHARE * 2 ** 20);
  try {
    progress.begin('cut');
    const { figures, counts, limit } = await scanStates({
      view,
      version,
      cut,
      reader,
      duckdb,
      listings: storedListings(pool, clock),
      accepted: await acceptedInvalid(pool, view.source.name),
      states,
      pool,
      signal,
      progress,
    });
    if (covered !== null) checkHistoryCovered(covered, figures.files);
    const entities = await withTransaction(pool, (client) =>
      loadVersion(client, {
        view,
        version,
        stateTable,
        cut,
        figures,
        counts,
        limit,
        rows: states.rows(signal),
        signal,
        progress,
      }),
    );
    return { view: view.name, version, rows: counts.records, entities, counts, cut, stateTable };
  } finally {
    progress.stop();
    await states.close();
    await duckdb.close();
  }
}
