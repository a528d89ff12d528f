import type { DuckDb } from '../duckdb/duckdb.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { columnClashes, type FeatureColumn, featureColumns } from './feature-columns.ts';
import { DEFAULT_REQUEST_COLUMN, keyedPlaces, requestLabels, requestReadings } from './request-labels.ts';
import { labelReadings, outputColumns } from './label-columns.ts';
import { type TimeAt, timeRule } from './label-time.ts';
import { loadSpine } from './load-spine.ts';
import { type ManifestSample, sampledBy } from './sample.ts';
import { READ_TABLE, type SpineColumn } from './spine-columns.ts';
import { emptySpine, type SpineFile } from './spine-file.ts';
import { spineError } from './spine-faults.ts';
import { type SpinePlace, sortLabels } from './spine-labels.ts';
import { stageLabels } from './stage-labels.ts';
import type { ReadingOptions } from './training-types.ts';
import { whileUnchanged } from './unchanged-spine.ts';

export const DEFAULT_TIME_COLUMN = 'event_timestamp';

/** A spine, loaded, checked and made into labels. */
export interface PreparedSpine {
  readonly rows: number;
  readonly columns: readonly SpineColumn[];
  /** How its columns go to the output. */
  readonly output: readonly { readonly name: string; readonly sql: string }[];
  /** Whether that is partly SQL over `READ_TABLE`. */
  readonly isRead: boolean;
  readonly sha256: string;
  /** What the rows name: entities at times, or requests. */
  readonly timeColumn: string | null;
  /** What was said of times without a zone, and of dates. */
  readonly timeZone: string | null;
  readonly timeAt: TimeAt | null;
  readonly requestColumn: string | null;
  /** The places that the labels have ids of. */
  readonly keyed: ReadonlySet<SpinePlace>;
  /** Which entities it is of, where not of all. */
  readonly sample: ManifestSample | null;
  /** The columns the service adds. */
  readonly features: readonly FeatureColumn[];
}

/**
 * Leaves out labels that were read, by deleting rows of `READ_TABLE`; one at least stays.
 *
 * @param by the columns there of the labels' join keys, each once
 */
export type KeepLabels = (duckdb: DuckDb, by: readonly string[], signal: AbortSignal) => Promise<void>;

/**
 * Loads, checks and sorts the spine; every fault that can be told at once is told at once.
 *
 * @param keepLabels of a spine of entities at times, where not all of them are wanted
 */
export async function prepareSpine(
  options: ReadingOptions,
  duckdb: DuckDb,
  file: SpineFile,
  places: readonly SpinePlace[],
  signal: AbortSignal,
  keepLabels?: KeepLabels,
): Promise<PreparedSpine> {
  const pinned = options.repeatOf?.spine;
  const timeColumn = options.timeColumn ?? pinned?.timeColumn ?? DEFAULT_TIME_COLUMN;
  const said = saidOfTimes(options);
  const rule = timeRule(said.timeZone, said.timeAt);
  const special = new Set([timeColumn, ...places.flatMap((place) => place.columns)]);
  if (options.mode === 'as-served') special.add(options.requestColumn ?? DEFAULT_REQUEST_COLUMN);
  const { sha256, result: columns } = await whileUnchanged(file, signal, () =>
    loadSpine(duckdb, file, special, options.spillDir, signal),
  );
  const names = columns.map((column) => column.name);
  const requestColumn = requestColumnOf(options, columns, places, timeColumn);
  const readings =
    requestColumn === null
      ? await labelReadings(duckdb, columns, places, timeColumn, rule)
      : await requestReadings(duckdb, columns, places, requestColumn, rule);
  const features = featureColumns(options.service, requestColumn !== null);
  const fraction = options.sample ?? options.repeatOf?.sample?.fraction ?? null;
  const staged = await stageLabels(duckdb, readings, fraction, signal);
  const faults = [...readings.faults, ...staged.faults, ...columnClashes(names, features)];
  if (faults.length > 0) throw spineError(file.path, faults);
  if (staged.rows === 0) throw emptySpine(file.path);
  const by = sampledBy(readings).map(({ column }) => column.name);
  const sample = fraction === null ? null : { fraction, by, ofRows: staged.rows };
  if (sample?.by.length === 0) throw withoutKeys(file.path);
  await keepLabels?.(
    duckdb,
    sampledBy(readings).map(({ staged: name }) => name),
    signal,
  );
  const rows =
    requestColumn === null
      ? await sortLabels(duckdb, places, signal)
      : await requestLabels(duckdb, places, readings, signal);
  if (rows === 0) throw emptySample(file.path, staged.rows);
  const isRead = file.format !== 'parquet';
  // Labels have what they need of it.
  if (!isRead) await duckdb.run(`DROP TABLE ${READ_TABLE}`);
  return {
    rows,
    columns,
    output: outputColumns(columns, readings, READ_TABLE),
    isRead,
    sha256,
    timeColumn: requestColumn === null ? timeColumn : null,
    ...said,
    requestColumn,
    sample,
    keyed: new Set(requestColumn === null ? places : keyedPlaces(columns, places)),
    features,
  };
}

function withoutKeys(path: string): MillraceError {
  return new MillraceError(
    'sample-needs-keys',
    `spine ${path}: a sample is taken by entity, and there are no join keys among the columns`,
    { remedy: 'Add the join keys to the labels, or leave the sample out (sample; CLI: --sample).' },
  );
}

function emptySample(path: string, rows: number): MillraceError {
  return new MillraceError('sample-empty', `spine ${path}: none of the entities of its ${rows} rows is in the sample`, {
    remedy: 'Take a larger share (sample; CLI: --sample), or leave it out.',
  });
}

/** As the options say, or the manifest of the export that is repeated. One from before they were said took UTC, and the start of a day. */
function saidOfTimes({ timeZone, timeAt, repeatOf }: ReadingOptions): Pick<PreparedSpine, 'timeZone' | 'timeAt'> {
  const { timeZone: zoneThen = 'UTC', timeAt: atThen = 'start' } = repeatOf?.spine ?? { timeZone: null, timeAt: null };
  return { timeZone: timeZone ?? zoneThen, timeAt: timeAt ?? atThen };
}

/** The column of request ids where the rows are to be read by it: one that is named, or the usual one where times or keys are lacking. */
function requestColumnOf(
  { mode, requestColumn, timeColumn: namedTime }: ReadingOptions,
  columns: readonly SpineColumn[],
  places: readonly SpinePlace[],
  timeColumn: string,
): string | null {
  if (mode !== 'as-served') return null;
  if (requestColumn !== undefined) return requestColumn;
  const names = new Set(columns.map((column) => column.name));
  const isWhole =
    namedTime !== undefined || (names.has(timeColumn) && keyedPlaces(columns, places).length === places.length);
  return !isWhole && names.has(DEFAULT_REQUEST_COLUMN) ? DEFAULT_REQUEST_COLUMN : null;
}
