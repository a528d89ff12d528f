import { BIGINT, type DuckDBType, type DuckDBValue } from 'duckdb';
import { emptyPrepared } from '../define/empty-prepared.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { scanLog } from '../log/scan-log.ts';
import { LABELS_TABLE, type SpineEntity, type SpinePlace } from '../training/spine-labels.ts';
import { stagedForm } from '../training/stage-labels.ts';
import type { ViewsLog } from '../training/view-logs.ts';
import type { SampleSize } from './label-sample.ts';
import { SampledTimes } from './sampled-times.ts';

/** So many times each, where there are so many events. */
const TIMES_EACH = 4;
/** However much is asked for. */
const MOST_ENTITIES = 200_000;
/** The id of an entity that a label does not name. */
const NOT_NAMED = -1;

/** Labels that no file has: entities at times of their own events. */
export interface EventLabels {
  readonly rows: number;
  /** Of all views' entities together. */
  readonly entities: number;
  /** True where entities were left out. */
  readonly isPart: boolean;
  readonly timesEach: number;
}

/**
 * Makes labels of the log itself, as staged labels are: entities by the hash of their keys, each at times of some of its own events. What is read there
 * is what was known just before such an event: of several at one time of none of them.
 */
export async function stageEventLabels({
  duckdb,
  logs,
  places,
  listings,
  size,
  signal,
  onProgress,
}: {
  readonly duckdb: DuckDb;
  readonly logs: readonly ViewsLog[];
  /** One per entity: of plain views. */
  readonly places: readonly SpinePlace[];
  readonly listings: HistoryListings;
  readonly size: SampleSize;
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number, totalRows: number | null) => void;
}): Promise<EventLabels> {
  const rows = 'rows' in size ? Math.ceil(size.rows / places.length) : Number.POSITIVE_INFINITY;
  const samples = new Map(
    places.map(({ entity }) => [
      entity.name,
      'rows' in size
        ? new SampledTimes(Math.min(MOST_ENTITIES, Math.max(1, Math.ceil(rows / TIMES_EACH))))
        : new SampledTimes(MOST_ENTITIES, size.share),
    ]),
  );
  for (const log of logs) await sampleLog({ duckdb, log, listings, signal, onProgress }, samples);
  const table = duckdb.newName('event_labels');
  await duckdb.run(
    `CREATE TABLE ${table} (time_us BIGINT, ${places.map(({ number }) => `id${number} BIGINT`).join(', ')})`,
  );
  const staged = { rows: 0, entities: 0, timesEach: 0 };
  for (const { number, entity } of places) {
    const ended = samples.get(entity.name)!.ended(rows);
    await stageKeys(
      duckdb,
      entity,
      ended.map((one) => one.entity.key),
    );
    const appender = await RowAppender.open(duckdb, table, [BIGINT, ...places.map(() => BIGINT)]);
    try {
      for (const [id, { timesUs }] of ended.entries()) {
        staged.rows += timesUs.length;
        staged.timesEach = Math.max(staged.timesEach, timesUs.length);
        const ids = places.map((other) => BigInt(other.number === number ? id : NOT_NAMED));
        for (const timeUs of timesUs) appender.append(BigInt(timeUs), ...ids);
      }
    } finally {
      appender.close();
    }
    staged.entities += ended.length;
  }
  const ids = places.map(({ number }) => `id${number}`).join(', ');
  await duckdb.run(
    `CREATE TABLE ${LABELS_TABLE} AS
     SELECT row_number() OVER (ORDER BY time_us, ${ids}) - 1 AS row_number, time_us, ${ids} FROM ${table} ORDER BY ALL`,
    [],
    signal,
  );
  await duckdb.run(`DROP TABLE ${table}`);
  return { ...staged, isPart: [...samples.values()].some((sample) => sample.isPart) };
}

async function sampleLog(
  {
    duckdb,
    log: { source, reads, cut, views },
    listings,
    signal,
    onProgress,
  }: {
    readonly duckdb: DuckDb;
    readonly log: ViewsLog;
    readonly listings: HistoryListings;
    readonly signal: AbortSignal;
    readonly onProgress: (rows: number, totalRows: number | null) => void;
  },
  samples: ReadonlyMap<string, SampledTimes>,
): Promise<void> {
  const readers = views.map((view) => ({
    view,
    prepared: emptyPrepared(view.layout.slots),
    times: samples.get(view.layout.entity)!,
  }));
  const scan = scanLog({
    source,
    reads,
    cut,
    reader: null,
    duckdb,
    listings,
    order: 'any',
    signal,
    onProgress: ({ rows, totalRows }) => onProgress(rows, totalRows),
  });
  for await (const events of scan.batches()) {
    signal.throwIfAborted();
    for (const event of events) {
      for (const { view, prepared, times } of readers) {
        if (view.prepare(event, prepared) !== 'ok') continue;
        times.add(prepared.keyText, prepared.key, event.eventTimeUs, event.partition, event.offset);
      }
    }
  }
}

async function stageKeys(duckdb: DuckDb, entity: SpineEntity, keys: readonly (readonly unknown[])[]): Promise<void> {
  const forms = entity.keys.map(({ type }) => stagedForm(type));
  const columns = forms.map(({ type }, k) => `, k${k} ${type.toString()}`).join('');
  await duckdb.run(`CREATE TABLE ${entity.table} (id BIGINT${columns})`);
  const types: DuckDBType[] = [BIGINT, ...forms.map(({ type }) => type)];
  const appender = await RowAppender.open(duckdb, entity.table, types);
  try {
    for (const [id, key] of keys.entries()) {
      const values: DuckDBValue[] = key.map((value, k) => forms[k]!.store(value));
      appender.append(BigInt(id), ...values);
    }
  } finally {
    appender.close();
  }
}
