import type { HistoryHorizon } from '../admission/history-horizon.ts';
import type { HistoryRun } from './history-run.ts';
import { BIGINT } from 'duckdb';
import type { LogEvent } from '../define/compiled-view.ts';
import { eventTimeOf } from '../define/event-time.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { chunksOf } from '../duckdb/chunks-of.ts';
import { ColumnRows } from './column-rows.ts';
import { type ColumnSource, firstPositions, type HistoryColumn, positionSql } from './column-source.ts';
import { openCsv } from './csv/open-csv.ts';
import { EventBatch } from '../admission/event-batch.ts';
import { eventIdText } from '../admission/event-id.ts';
import { findDuplicates, type Losers } from './history-duplicates.ts';
import type { HistoryFiles } from './history-files.ts';
import { newestSlicesFirst } from './history-slices.ts';
import { HistoryLedger } from './history-ledger.ts';
import { HistoryPlace } from './history-place.ts';
import { LoserCursor } from './loser-cursor.ts';
import { openParquet } from './parquet/open-parquet.ts';
import { verifyChecksums } from './parquet/page-checksums.ts';
import { namingFault } from './read-fault.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';

/** The events of a history of Parquet or CSV files. */
export async function* columnEvents(run: HistoryRun, found: HistoryFiles): AsyncGenerator<LogEvent[]> {
  const { source, duckdb, signal, ledger } = run;
  const history = await openColumns(run, found);
  const dropped: string[] = [];
  try {
    // A file here knows its columns, too: nothing of that belongs in figures that are stored.
    run.onFiles(history.files.map(({ path, sizeBytes, rows }) => ({ path, sizeBytes, rows })));
    const losers = await findDuplicates(run, history);
    if (losers !== null) {
      dropped.push(losers.table);
      ledger.counts.records += losers.count;
      ledger.counts.duplicates += losers.count;
      ledger.seen(losers.newestEventTimeUs);
    }
    if (run.from !== undefined) ledger.goOnFrom(run.from.point, run.from.ids);
    if (run.beforeEvents !== undefined) await run.beforeEvents(await horizonOf(run, history, losers));
    if (run.order === 'newest-first') {
      const slices = await newestSlicesFirst(history, eventTimeColumn(run, history), duckdb, run.sliceRows);
      const scans = slices.map(({ source, filter }) => scanSql(source, null, filter, ''));
      yield* streamEvents(run, history, scans, losers);
      return;
    }
    const order = run.order === 'any' ? '' : await orderSql(run, history, dropped);
    if (order === '') yield* streamEvents(run, history, [scanSql(history, null, '', '')], losers);
    else yield* streamEvents(run, history, [scanSql(history, losers, '', order)], null);
  } catch (error) {
    throw await namingFault(source.name, history, duckdb, error, signal);
  } finally {
    for (const table of dropped) await duckdb.run(`DROP TABLE ${table}`);
    await history.close();
  }
}

/** Throws what `openCsv` and `openParquet` do, and the first of the faults that keep Parquet files from being read. */
async function openColumns({ source, duckdb, signal }: HistoryRun, found: HistoryFiles): Promise<ColumnSource> {
  if (found.format === 'csv') return openCsv(source, found, duckdb, signal);
  const opened = await openParquet(source, found, duckdb, signal);
  const [fault] = opened.faults;
  if (fault !== undefined) throw fault;
  const names = opened.source.columns.map(({ field }) => field.name);
  await verifyChecksums(source.name, found.files, names, duckdb, signal);
  return opened.source;
}

/** The rows that may be events: contract columns, file number, row number. `filter` is `''` or ` AND …`. */
function scanSql(history: ColumnSource, losers: Losers | null, filter: string, order: string): string {
  const list = [
    ...history.columns.map(({ expression }) => expression),
    `${history.file}::INTEGER`,
    `${history.row}::BIGINT`,
  ].join(', ');
  const position = positionSql(history);
  const others = losers === null ? '' : ` AND ${position} NOT IN (SELECT position FROM ${losers.table})`;
  return `SELECT ${list} FROM ${history.relation} WHERE true${others}${filter}${order}`;
}

/** The events of scans of a history, one after the other; `losers` are left out, where the scans have not done so. */
async function* streamEvents(
  run: HistoryRun,
  history: ColumnSource,
  scans: readonly string[],
  losers: Losers | null,
): AsyncGenerator<LogEvent[]> {
  const { source, ledger, duckdb, signal, place } = run;
  const { counts } = ledger;
  const decoded = new ColumnRows(source, history.columns);
  const readFile = rawColumn('INTEGER');
  const readRow = rawColumn('BIGINT');
  const files: number[] = [];
  const rowNumbers: number[] = [];
  const first = firstPositions(history.files);
  const total = history.files.reduce((sum, { rows }) => sum + rows, 0);
  const { guard, within } = run;
  const { boundUs } = guard;
  const times = decoded.valuesOf(source.eventTimeField);
  const eventTime = eventTimeOf(source);
  const idColumn = history.columns.find(({ field }) => field.name === source.eventIdField);
  const ids = idColumn === undefined ? null : decoded.valuesOf(idColumn.field.name);
  const batch = new EventBatch();
  const positionOf = (index: number): number =>
    (first[files[index] as number] as number) + (rowNumbers[index] as number);
  const cursor = losers === null ? null : new LoserCursor(losers, duckdb, signal);
  let lastUs = Number.NEGATIVE_INFINITY;
  try {
    const begin = (index: number): void => place.begin(place.firstStretch + index);
    for await (const chunk of chunksOf(scans.slice(place.firstStretch), duckdb, signal, begin)) {
      readFile(chunk, decoded.width, files);
      readRow(chunk, decoded.width + 1, rowNumbers);
      const passed = place.pass(chunk.rowCount, positionOf);
      if (passed === chunk.rowCount) continue;
      const count = decoded.decode(chunk);
      batch.clear();
      const lost = cursor === null ? null : await cursor.within(...rangeOf(passed, count, positionOf));
      counts.records -= lost?.size ?? 0;
      const hasFaults = decoded.reasons.size > 0;
      for (let index = passed; index < count; index++) {
        const file = files[index] as number;
        const position = (first[file] as number) + (rowNumbers[index] as number);
        if (lost !== null && lost.has(position)) continue;
        if (hasFaults) {
          const reasons = decoded.reasons.get(index);
          if (reasons !== undefined) {
            counts.invalid++;
            run.onInvalid(position, (history.files[file] as { path: string }).path, reasons, decoded.payload(index));
            continue;
          }
        }
        const eventTimeUs = eventTime(times[index]);
        if (eventTimeUs > boundUs) {
          counts.invalid++;
          const { path } = history.files[file] as { path: string };
          run.onInvalid(position, path, [guard.reason(eventTimeUs)], decoded.payload(index));
          continue;
        }
        if (!within(eventTimeUs)) {
          counts.outsideUntil++;
          continue;
        }
        ledger.seen(eventTimeUs);
        const id = ids === null ? null : eventIdText(ids[index]);
        if (id !== null) ledger.claimed(id, eventTimeUs);
        if (run.order === 'event-time') {
          if (eventTimeUs < lastUs) throw internalBug('history rows left DuckDB out of order', { lastUs, eventTimeUs });
          lastUs = eventTimeUs;
        }
        batch.add(decoded.rows[index]!, eventTimeUs, id, -1, position, position);
      }
      counts.records += count - passed;
      run.onProgress?.(counts.records, total);
      yield batch.events;
    }
  } finally {
    await cursor?.close();
  }
}

/** The first and the last position of a chunk's rows from `from` on; where files of several kinds are scanned its rows come in runs. */
function rangeOf(from: number, count: number, positionOf: (index: number) => number): [first: number, last: number] {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (let index = from; index < count; index++) {
    const position = positionOf(index);
    if (position < first) first = position;
    if (position > last) last = position;
  }
  return [first, last];
}

/**
 * The horizon before the scan. Only the rows that can lie in it are read: those near the newest time in the column, and further back
 * when that turns out to stand in an invalid row.
 */
async function horizonOf(run: HistoryRun, history: ColumnSource, losers: Losers | null): Promise<HistoryHorizon> {
  const { source, duckdb, signal } = run;
  const time = eventTimeColumn(run, history);
  const isTyped = timeTypes.test(time.type);
  // Without ids only the final watermark is wanted: where history ends, and every partition begins.
  const horizonUs = source.eventIdField === null ? 0 : source.dedupeHorizonUs;
  let fromUs = Number.NEGATIVE_INFINITY;
  if (isTyped) {
    const [newest] = await duckdb.query<{ t: bigint | null }>(
      `SELECT epoch_us(max(t)) AS t FROM (SELECT ${time.expression}::TIMESTAMP AS t FROM ${history.relation}) WHERE isfinite(t)${before(run)}`,
      [],
      signal,
    );
    if (newest !== undefined && newest.t !== null) fromUs = Number(newest.t) - horizonUs;
  }
  for (;;) {
    const filter = Number.isSafeInteger(fromUs)
      ? ` AND ${time.expression}::TIMESTAMP >= make_timestamp(${fromUs})`
      : '';
    const ledger = new HistoryLedger(source);
    if (losers !== null) ledger.seen(losers.newestEventTimeUs);
    const place = new HistoryPlace(null);
    const silent: HistoryRun = { ...run, ledger, place, order: 'any', onInvalid: () => {}, onProgress: undefined };
    const rest = streamEvents(silent, history, [scanSql(history, losers, filter, '')], null);
    for await (const _ of rest);
    const horizon = ledger.horizon();
    const needed = (horizon.newestEventTimeUs ?? Number.NEGATIVE_INFINITY) - horizonUs;
    if (filter === '' || fromUs <= needed) return horizon;
    fromUs = needed;
  }
}

/** SQL: leaves out what lies beyond `until` and the guard: what stops before dedupe has no say in how far back the horizon reaches. */
function before({ source, guard }: HistoryRun): string {
  const untilUs = source.history?.untilUs ?? null;
  const until = untilUs === null ? '' : ` AND t < make_timestamp(${untilUs})`;
  return Number.isFinite(guard.boundUs) ? `${until} AND t <= make_timestamp(${guard.boundUs})` : until;
}

function eventTimeColumn(run: HistoryRun, history: ColumnSource): HistoryColumn {
  const time = history.columns.find(({ field }) => field.name === run.source.eventTimeField);
  if (time === undefined) throw internalBug(`source "${run.source.name}" has no column for its event time`);
  return time;
}

/** Whether a column's own order is that of the event times: where DuckDB holds them to the microsecond, as rows do. */
const timeTypes = /^TIMESTAMP(?:TZ| WITH TIME ZONE)?$/;

/** The ORDER BY of a scan in event time order: none where the rows lie so already. */
async function orderSql(run: HistoryRun, history: ColumnSource, dropped: string[]): Promise<string> {
  const { duckdb, signal } = run;
  const time = eventTimeColumn(run, history);
  if (timeTypes.test(time.type)) {
    const t = time.expression;
    const [found] = await duckdb.query<{ n: bigint }>(
      `SELECT count(*) AS n FROM (SELECT ${t} AS t, lag(${t}) OVER () AS before FROM ${history.relation} WHERE ${t} IS NOT NULL) WHERE t < before`,
      [],
      signal,
    );
    return found?.n === 0n ? '' : ` ORDER BY ${t}, ${positionSql(history)}`;
  }
  // The order of texts, numbers and dates is not that of time, and that of nanoseconds is finer. What the contract reads from it is put beside the rows.
  const times = await decodedTimes(run, history);
  dropped.push(times);
  const position = positionSql(history);
  return ` ORDER BY (SELECT t FROM ${times} WHERE ${times}.position = ${position}), ${position}`;
}

async function decodedTimes(run: HistoryRun, history: ColumnSource): Promise<string> {
  const { source, duckdb, signal } = run;
  const table = duckdb.newName('times');
  await duckdb.run(`CREATE TABLE ${table} (position BIGINT, t BIGINT)`);
  const time = eventTimeColumn(run, history);
  const decoded = new ColumnRows(source, [time]);
  const eventTime = eventTimeOf(source);
  const readPosition = rawColumn('BIGINT');
  const positions: unknown[] = [];
  const appender = await RowAppender.open(duckdb, table, [BIGINT, BIGINT]);
  try {
    const list = `${time.expression}, ${positionSql(history)}::BIGINT`;
    for await (const chunk of duckdb.chunks(`SELECT ${list} FROM ${history.relation}`, [], signal)) {
      const count = decoded.decode(chunk);
      readPosition(chunk, 1, positions);
      for (let index = 0; index < count; index++) {
        const value = (decoded.rows[index] as Record<string, unknown>)[source.eventTimeField];
        const time = decoded.reasons.has(index) ? null : BigInt(eventTime(value));
        appender.append(BigInt(positions[index] as number), time);
      }
    }
  } finally {
    appender.close();
  }
  return table;
}
