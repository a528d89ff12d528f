import type { HistoryHorizon } from '../admission/history-horizon.ts';
import type { HistoryRun } from './history-run.ts';
import { BIGINT, BLOB, blobValue, type DuckDBBlobValue, INTEGER, VARCHAR } from 'duckdb';
import type { LogEvent } from '../define/compiled-view.ts';
import { eventTimeOf } from '../define/event-time.ts';
import { invariant, isMillraceError } from '../errors/millrace-error.ts';
import { EventBatch } from '../admission/event-batch.ts';
import { eventIdText } from '../admission/event-id.ts';
import { type Losers, losersOf } from './history-duplicates.ts';
import { type HistoryFile, type HistoryFiles, unreadableHistory } from './history-files.ts';
import { HistoryLedger } from './history-ledger.ts';
import type { HistoryPlace } from './history-place.ts';
import { jsonLines } from './json-lines.ts';
import { type LineDecoder, lineDecoder } from './line-decoder.ts';
import { LoserCursor } from './loser-cursor.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { RowAppender } from '../duckdb/row-appender.ts';

/** A line that holds an event as far as can be told without the others. */
interface LineEvent {
  readonly file: number;
  readonly line: Buffer;
  readonly row: LogEvent['row'];
  readonly eventTimeUs: number;
  readonly id: string | null;
  readonly position: number;
}

/**
 * The events of a history of JSONL files. Without an event id and in any order lines stream straight through. Else those that passed
 * are staged in DuckDB (which spills) and come back without the duplicates, in order, to be decoded a second time.
 */
export async function* lineEvents(run: HistoryRun, found: HistoryFiles): AsyncGenerator<LogEvent[]> {
  if (run.source.eventIdField === null && run.order !== 'event-time' && run.beforeEvents === undefined) {
    const batch = new EventBatch();
    if (run.from !== undefined) run.ledger.goOnFrom(run.from.point, run.from.ids);
    for await (const lines of validLines(run, found, run.place)) {
      batch.clear();
      for (const { row, eventTimeUs, id, position } of lines) batch.add(row, eventTimeUs, id, -1, position, position);
      yield batch.events;
    }
    return;
  }
  const { source, duckdb, ledger, signal } = run;
  const staged = await stageLines(run, found);
  const dropped = [staged];
  try {
    let losers: Losers | null = null;
    if (source.eventIdField !== null) {
      const claims = duckdb.newName('claims');
      await duckdb.run(
        `CREATE TABLE ${claims} AS SELECT id, event_time, position FROM ${staged} WHERE id IS NOT NULL`,
        [],
        signal,
      );
      losers = await losersOf(claims, source.dedupeHorizonUs, duckdb, signal);
    }
    if (losers !== null) {
      dropped.push(losers.table);
      ledger.counts.duplicates += losers.count;
    }
    if (run.from !== undefined) ledger.goOnFrom(run.from.point, run.from.ids);
    const condition = losers === null ? '' : ` WHERE position NOT IN (SELECT position FROM ${losers.table})`;
    if (run.beforeEvents !== undefined) await run.beforeEvents(await horizonOf(run, staged, condition));
    if (run.order === 'event-time') {
      yield* stagedEvents(
        run,
        found,
        `SELECT line, position, file FROM ${staged}${condition} ORDER BY event_time, position`,
        null,
      );
    } else yield* stagedEvents(run, found, `SELECT line, position, file FROM ${staged}`, losers);
  } finally {
    for (const table of dropped) await duckdb.run(`DROP TABLE ${table}`);
  }
}

/**
 * Decodes every line once; counts and reports what stops here.
 *
 * @param place says which lines were passed before; null: none
 */
async function* validLines(
  run: HistoryRun,
  found: HistoryFiles,
  place: HistoryPlace | null,
): AsyncGenerator<LineEvent[]> {
  const { source, ledger, signal, guard, within } = run;
  const { counts } = ledger;
  const eventTime = eventTimeOf(source);
  const files: HistoryFile[] = [];
  let position = 0;
  for (const { path, sizeBytes } of found.files) {
    const first = position;
    const decode = lineDecoder(source, path);
    try {
      for await (const lines of jsonLines(path, signal)) {
        const valid: LineEvent[] = [];
        const from = position;
        position += lines.length;
        const passed = place?.pass(lines.length, (index) => from + index) ?? 0;
        if (passed === lines.length) continue;
        for (let index = passed; index < lines.length; index++) {
          const line = lines[index] as Buffer;
          const at = from + index;
          counts.records++;
          const decoded = decode(line);
          if (!decoded.ok) {
            counts.invalid++;
            run.onInvalid(at, path, decoded.reasons, line.toString('utf8'));
            continue;
          }
          const eventTimeUs = eventTime(decoded.row[source.eventTimeField]);
          if (eventTimeUs > guard.boundUs) {
            counts.invalid++;
            run.onInvalid(at, path, [guard.reason(eventTimeUs)], line.toString('utf8'));
            continue;
          }
          if (!within(eventTimeUs)) {
            counts.outsideUntil++;
            continue;
          }
          ledger.seen(eventTimeUs);
          const id = source.eventIdField === null ? null : eventIdText(decoded.row[source.eventIdField]);
          valid.push({ file: files.length, line, row: decoded.row, eventTimeUs, id, position: at });
        }
        run.onProgress?.(counts.records, null);
        yield valid;
      }
    } catch (error) {
      signal?.throwIfAborted();
      const isFileFault = !isMillraceError(error) && error instanceof Error && 'code' in error;
      throw isFileFault ? unreadableHistory(source.name, path, error) : error;
    }
    files.push({ path, sizeBytes, rows: position - first });
  }
  run.onFiles(files);
}

async function stageLines(run: HistoryRun, found: HistoryFiles): Promise<string> {
  const { duckdb } = run;
  const table = duckdb.newName('history_lines');
  await duckdb.run(`CREATE TABLE ${table} (line BLOB, position BIGINT, event_time BIGINT, id VARCHAR, file INTEGER)`);
  const appender = await RowAppender.open(duckdb, table, [BLOB, BIGINT, BIGINT, VARCHAR, INTEGER]);
  try {
    for await (const lines of validLines(run, found, null)) {
      for (const { line, position, eventTimeUs, id, file } of lines) {
        appender.append(blobValue(line), BigInt(position), BigInt(eventTimeUs), id, file);
      }
    }
  } finally {
    appender.close();
  }
  return table;
}

async function horizonOf(run: HistoryRun, staged: string, condition: string): Promise<HistoryHorizon> {
  const { source, duckdb, signal } = run;
  const horizon = new HistoryLedger(source);
  const { newestEventTimeUs } = run.ledger.horizon();
  if (newestEventTimeUs !== null) {
    horizon.seen(newestEventTimeUs);
    const readTime = rawColumn('BIGINT');
    const times: number[] = [];
    for await (const chunk of duckdb.chunks(`SELECT id, event_time FROM ${staged}${condition}`, [], signal)) {
      const ids = chunk.getColumnVector(0);
      readTime(chunk, 1, times);
      for (let index = 0; index < chunk.rowCount; index++) {
        const id = ids.getItem(index);
        if (typeof id === 'string') horizon.claimed(id, times[index] as number);
      }
    }
  }
  return horizon.horizon();
}

/** What was staged; `losers` are left out, where the query has not done so. */
async function* stagedEvents(
  run: HistoryRun,
  found: HistoryFiles,
  sql: string,
  losers: Losers | null,
): AsyncGenerator<LogEvent[]> {
  const { source, ledger, duckdb, signal, place } = run;
  const batch = new EventBatch();
  const eventTime = eventTimeOf(source);
  const readPosition = rawColumn('BIGINT');
  const positions: number[] = [];
  const readFile = rawColumn('INTEGER');
  const files: number[] = [];
  const decoders: LineDecoder[] = [];
  const cursor = losers === null ? null : new LoserCursor(losers, duckdb, signal);
  try {
    for await (const chunk of duckdb.chunks(sql, [], signal)) {
      const lines = chunk.getColumnVector(0);
      readPosition(chunk, 1, positions);
      readFile(chunk, 2, files);
      batch.clear();
      const count = chunk.rowCount;
      const passed = place.pass(count, (index) => positions[index] as number);
      if (passed === count) continue;
      const range = [positions[passed] as number, positions[count - 1] as number] as const;
      const lost = cursor === null ? null : await cursor.within(...range);
      for (let index = passed; index < count; index++) {
        if (lost !== null && lost.has(positions[index] as number)) continue;
        const file = files[index] as number;
        const decode = (decoders[file] ??= lineDecoder(source, found.files[file]!.path));
        const decoded = decode((lines.getItem(index) as DuckDBBlobValue).bytes);
        invariant(decoded.ok, 'a line that was valid is so no more');
        const eventTimeUs = eventTime(decoded.row[source.eventTimeField]);
        const id = source.eventIdField === null ? null : eventIdText(decoded.row[source.eventIdField]);
        if (id !== null) ledger.claimed(id, eventTimeUs);
        const at = positions[index] as number;
        batch.add(decoded.row, eventTimeUs, id, -1, at, at);
      }
      yield batch.events;
    }
  } finally {
    await cursor?.close();
  }
}
