import type pg from 'pg';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { scanHistory } from '../history/history-scan.ts';
import { withClient, withTransaction } from '../postgres/transaction.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import { type ArchivedNow, archivedNow } from './archived-runs.ts';
import { beginOf, latestUs, lengthMs } from './bucket-time.ts';
import { foldMonitors } from './fold-parts.ts';
import { HISTORY, type MonitorPart, RecordGatherer } from './gather-records.ts';
import { DEFAULT_MONITOR_BYTES, keepBudget } from './monitor-budget.ts';
import { monitorsBusy, notMonitored } from './monitor-errors.ts';
import { tryLock, unlock } from './monitor-lock.ts';
import { replaceBuckets } from './replace-buckets.ts';

export interface MonitorBackfillOptions {
  readonly source: CompiledSource;
  readonly pool: pg.Pool;
  /** Reads topics as far back as archive and topic reach; null: the source's history alone is read. */
  readonly reader: LogReader | null;
  /** For the history's files; not asked where there are none. */
  readonly openDuckDb: () => Promise<DuckDb>;
  readonly listings: HistoryListings;
  readonly clock: Clock;
  /** Buckets that overlap these times are computed, UTC epoch ms; left out: all. */
  readonly fromMs?: number | undefined;
  /** Exclusive. */
  readonly untilMs?: number | undefined;
  /** Only says what would be read. */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  onProgress?: ((progress: MonitorProgress) => void) | undefined;
}

export interface MonitorProgress {
  readonly phase: 'history' | 'archive' | 'writing';
  readonly records: number;
  /** Null: not known. */
  readonly total: number | null;
}

export interface MonitorBackfill {
  readonly source: string;
  /** Of the archive, in so many files. */
  readonly archivedRecords: number;
  readonly files: number;
  readonly hasHistory: boolean;
  /** Rows of the history that count, or are invalid; null of a dry run. */
  readonly historyRows: number | null;
  /** Buckets that were put in place; null of a dry run. */
  readonly buckets: number | null;
}

/**
 * Computes a source's monitors anew, from its history's files and all that is archived, and puts the buckets in place of those that are there, at once. The result is
 * what the archiver would have made, byte for byte; what is archived meanwhile is folded in afterwards. Repeats of an id in a history are not in it.
 *
 * @throws MillraceError `not-monitored`, `monitors-busy` (retryable); what reading the log throws: `log-hole`, `archive-file-missing`, `history-unreadable`, …
 * @example
 * await backfillMonitor({ source, pool, reader, openDuckDb, listings, fromMs: Date.UTC(2026, 0, 1) });
 */
export async function backfillMonitor(options: MonitorBackfillOptions): Promise<MonitorBackfill> {
  const { source, pool } = options;
  const budgetBytes = source.monitorBytes ?? DEFAULT_MONITOR_BYTES;
  if (budgetBytes === 0) throw notMonitored(source.name);
  const done = await withClient(pool, async (client) => {
    if (options.dryRun === true) return { ...told(options, await snapshot(options)), historyRows: null, buckets: null };
    if (!(await tryLock(client, source.name))) throw monitorsBusy(source.name);
    const backfill = await computeAndReplace(client, options);
    await unlock(client, source.name);
    return backfill;
  });
  if (options.dryRun !== true) {
    await foldMonitors({ pool, source: source.name, budgetBytes, signal: options.signal });
    await keepBudget({ pool, source: source.name, budgetBytes, signal: options.signal });
  }
  return done;
}

async function computeAndReplace(client: pg.PoolClient, options: MonitorBackfillOptions): Promise<MonitorBackfill> {
  const { source, fromMs, untilMs, onProgress } = options;
  const { name } = source;
  const now = await snapshot(options);
  const isIn = overlapOf(fromMs, untilMs);
  // A record may end in the week around its hour: those of all weeks that are touched are gathered.
  const gatherer = new RecordGatherer(source, {
    latestUs: latestUs(options.clock),
    keeps: (timeUs) => isIn({ grain: 'week', beginMs: beginOf('week', timeUs / 1000) }),
  });
  const historyRows = source.history === null ? 0 : await gatherHistory(gatherer, options);
  await gatherArchive(gatherer, now, options);
  options.signal?.throwIfAborted();
  const parts: MonitorPart[] = gatherer.finish();
  onProgress?.({ phase: 'writing', records: now.records + historyRows, total: now.records + historyRows });
  const isWhole = fromMs === undefined && untilMs === undefined;
  const buckets = await replaceBuckets(client, { source: name, parts, partIds: now.partIds, isIn, isWhole });
  return { ...told(options, now), historyRows, buckets };
}

function told({ source }: MonitorBackfillOptions, { records, files }: ArchivedNow) {
  return { source: source.name, archivedRecords: records, files, hasHistory: source.history !== null };
}

async function snapshot({ pool, source: { name, topic } }: MonitorBackfillOptions): Promise<ArchivedNow> {
  if (topic === null) return { runs: [], records: 0, files: 0, partIds: [] };
  return await withTransaction(pool, (client) => archivedNow(client, name, topic), { isolation: 'repeatable read' });
}

/** Whether a bucket overlaps times. */
function overlapOf(fromMs = Number.NEGATIVE_INFINITY, untilMs = Number.POSITIVE_INFINITY) {
  return ({ grain, beginMs }: Pick<MonitorPart, 'grain' | 'beginMs'>): boolean =>
    beginMs < untilMs && beginMs + lengthMs(grain) > fromMs;
}

async function gatherHistory(gatherer: RecordGatherer, options: MonitorBackfillOptions): Promise<number> {
  const { source, listings, signal, onProgress } = options;
  let invalid = 0;
  const duckdb = await options.openDuckDb();
  try {
    const scan = scanHistory({
      source,
      order: 'any',
      duckdb,
      listings,
      signal,
      onProgress: (records, total) => onProgress?.({ phase: 'history', records, total }),
      onInvalid: (_position, _file, reasons) => {
        invalid++;
        gatherer.addInvalid(reasons, null, HISTORY);
      },
    });
    let rows = 0;
    for await (const events of scan) {
      for (const { row, eventTimeUs } of events) gatherer.addRow(row, eventTimeUs, null, HISTORY);
      rows += events.length;
    }
    return rows + invalid;
  } finally {
    await duckdb.close();
  }
}

/** Reads the runs one after the other, those of all partitions beside each other. */
async function gatherArchive(
  gatherer: RecordGatherer,
  { runs, records: total }: ArchivedNow,
  { source, reader, signal, onProgress }: MonitorBackfillOptions,
): Promise<void> {
  const { topic } = source;
  if (topic === null || reader === null) return;
  const byPartition = new Map<number, ArchivedNow['runs'][number][]>();
  for (const run of runs) byPartition.set(run.partition, [...(byPartition.get(run.partition) ?? []), run]);
  let records = 0;
  for (let at = 0; [...byPartition.values()].some((of) => of.length > at); at++) {
    const some = [...byPartition.values()].flatMap((of) => of[at] ?? []);
    const batches = reader.read({
      topic,
      positions: new Map(some.map(({ partition, fromOffset }) => [partition, fromOffset])),
      ends: new Map(some.map(({ partition, untilOffset }) => [partition, untilOffset])),
      signal,
    });
    for await (const batch of batches) {
      try {
        for (const record of batch.records) gatherer.add(record);
      } finally {
        batch.memory?.release();
      }
      records += batch.records.length;
      onProgress?.({ phase: 'archive', records, total });
    }
  }
}
