import type { DuckDb } from '../duckdb/duckdb.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import {
  columnClashes,
  derivedColumns,
  derivesRows,
  type FeatureColumn,
  featureColumns,
  requestColumns,
} from './feature-columns.ts';
import { givenColumns } from './given-columns.ts';
import { DEFAULT_REQUEST_COLUMN, keyedPlaces, requestLabels, requestReadings } from './request-labels.ts';
import type { ManifestGrid } from './grid.ts';
import { type LabelColumn, type LabelReadings, labelReadings, outputColumns } from './label-columns.ts';
import { type TimeAt, timeRule } from './label-time.ts';
import type { LoadedGrid } from './load-grid.ts';
import { loadSpine } from './load-spine.ts';
import { DECIDED_COLUMN, DECISION_COLUMN, type ManifestLabels } from './label-spine.ts';
import type { ReadContext } from './reading.ts';
import { type ManifestSample, sampledBy } from './sample.ts';
import { READ_TABLE, type SpineColumn } from './spine-columns.ts';
import { emptySpine, type SpineFile } from './spine-file.ts';
import { type SpineFault, spineError } from './spine-faults.ts';
import { type SpinePlace, sortLabels } from './spine-labels.ts';
import { stageLabels } from './stage-labels.ts';
import type { ReadingOptions } from './training-types.ts';
import { whileUnchanged } from './unchanged-spine.ts';

export const DEFAULT_TIME_COLUMN = 'event_timestamp';

/** A spine, loaded, checked and made into labels. */
export interface PreparedSpine {
  /** Of the file; null where there was none. */
  readonly path: string | null;
  readonly sizeBytes: number | null;
  readonly sha256: string | null;
  readonly rows: number;
  readonly columns: readonly SpineColumn[];
  /** How its columns go to the output. */
  readonly output: readonly { readonly name: string; readonly sql: string }[];
  /** Whether that is partly SQL over `READ_TABLE`. */
  readonly isRead: boolean;
  /** What the rows name: entities at times, or requests. */
  readonly timeColumn: string | null;
  /** What was said of times without a zone, and of dates. */
  readonly timeZone: string | null;
  readonly timeAt: TimeAt | null;
  readonly requestColumn: string | null;
  /** The places that the labels have ids of. */
  readonly keyed: ReadonlySet<SpinePlace>;
  /** Of what entities and times the rows were made; null: labels gave them. */
  readonly grid: ManifestGrid | null;
  /** Of decisions that have their labels from the log, how. */
  readonly labels?: ManifestLabels | undefined;
  /** Which entities it is of, where not of all. */
  readonly sample: ManifestSample | null;
  /** What of the rows is given with their requests. */
  readonly given: readonly LabelColumn[];
  /** What requests must have and the rows do not: nothing is derived of them then, where that was allowed. */
  readonly lacking: readonly string[];
  /** The columns the service adds. */
  readonly features: readonly FeatureColumn[];
}

/**
 * Leaves out labels that were read, by deleting rows of `READ_TABLE`; one at least stays.
 *
 * @param by the columns there of the labels' join keys, each once
 */
export type KeepLabels = (duckdb: DuckDb, by: readonly string[], signal: AbortSignal) => Promise<void>;

/** What is wanted of a spine of entities at times, where not all that an export wants. */
export interface LabelsWanted {
  readonly keep?: KeepLabels | undefined;
  /** Whether its rows may be without what a service asks for. Default: that is a fault. */
  readonly mayLackRequest?: boolean | undefined;
}

/** What loading and reading labels takes. */
export type LabelContext = Pick<ReadContext, 'options' | 'duckdb' | 'places' | 'signal'> &
  Pick<LabelsWanted, 'mayLackRequest'>;

/** What is in `SPINE_TABLE`: labels, or entities that have no times yet. */
export interface LoadedSpine {
  /** As messages name it. */
  readonly path: string;
  readonly of: Pick<PreparedSpine, 'path' | 'sizeBytes' | 'sha256' | 'isRead'>;
  readonly columns: readonly SpineColumn[];
  /** Null of labels, which have times or requests of their own. */
  readonly grid: LoadedGrid | null;
}

/** What is in `READ_TABLE` as well. */
export interface StagedSpine extends LoadedSpine {
  readonly readings: LabelReadings;
  readonly timeColumn: string;
  readonly requestColumn: string | null;
  readonly said: Pick<PreparedSpine, 'timeZone' | 'timeAt'>;
  readonly sample: ManifestSample | null;
  readonly features: readonly FeatureColumn[];
  readonly lacking: readonly string[];
}

/** Loads, checks and sorts the spine; every fault that can be told at once is told at once. */
export async function prepareSpine(
  options: ReadingOptions,
  duckdb: DuckDb,
  file: SpineFile,
  places: readonly SpinePlace[],
  signal: AbortSignal,
  { keep, mayLackRequest }: LabelsWanted = {},
): Promise<PreparedSpine> {
  const context = { options, duckdb, places, signal, mayLackRequest };
  const staged = await stageSpine(context, async (special) => {
    return { ...(await loadFile(context, file, special)), grid: null };
  });
  await keep?.(
    duckdb,
    sampledBy(staged.readings).map(({ staged: name }) => name),
    signal,
  );
  return await sortSpine(context, staged, null);
}

/** Makes labels of what was staged. */
export async function sortSpine(
  { duckdb, places, signal }: LabelContext,
  { of, columns, readings, timeColumn, requestColumn, said, sample, features, lacking }: StagedSpine,
  grid: ManifestGrid | null,
): Promise<PreparedSpine> {
  const rows =
    requestColumn === null
      ? await sortLabels(duckdb, places, signal)
      : await requestLabels(duckdb, places, readings, signal);
  // Labels have what they need of it.
  const { given = [] } = readings;
  if (!of.isRead && given.length === 0) await duckdb.run(`DROP TABLE ${READ_TABLE}`);
  return {
    ...of,
    rows,
    columns,
    output: outputColumns(columns, readings, READ_TABLE),
    timeColumn: requestColumn === null ? timeColumn : null,
    ...said,
    requestColumn,
    grid,
    sample,
    given,
    lacking,
    keyed: new Set(requestColumn === null ? places : keyedPlaces(columns, places)),
    features,
  };
}

/**
 * Loads a spine and reads its keys, and times or requests, of the entities in the sample.
 *
 * @param load Puts it into `SPINE_TABLE`. Given: the columns that may be read as keys, times or request ids, and the zone of times that have none.
 */
export async function stageSpine(
  context: LabelContext,
  load: (special: ReadonlySet<string>, timeZone: string | null) => Promise<LoadedSpine>,
): Promise<StagedSpine> {
  const { options, duckdb, places, signal, mayLackRequest = false } = context;
  const pinned = options.repeatOf?.spine;
  const isLabelled = options.labels !== undefined;
  const timeColumn = isLabelled ? DECIDED_COLUMN : (options.timeColumn ?? pinned?.timeColumn ?? DEFAULT_TIME_COLUMN);
  const said = saidOfTimes(options);
  const rule = timeRule(said.timeZone, said.timeAt);
  const special = new Set([timeColumn, ...places.flatMap((place) => place.columns)]);
  if (derivesRows(options, null)) for (const { spec } of options.service.request ?? []) special.add(spec.name);
  if (options.mode === 'as-served') special.add(options.requestColumn ?? DEFAULT_REQUEST_COLUMN);
  const loaded = await load(special, said.timeZone);
  const { path, columns, grid } = loaded;
  const names = columns.map((column) => column.name);
  const byRequest = grid === null && !(isLabelled && options.mode === 'as-served');
  const requestColumn = byRequest ? requestColumnOf(options, columns, places, timeColumn) : null;
  const read =
    requestColumn === null
      ? await labelReadings(duckdb, columns, places, grid === null ? timeColumn : null, rule)
      : await requestReadings(duckdb, columns, places, requestColumn, rule);
  const derives = derivesRows(options, requestColumn);
  const fields = derives ? (options.service.request ?? []) : [];
  const lacking = fields.flatMap(({ spec }) => (spec.optional || names.includes(spec.name) ? [] : [spec.name]));
  const isDerived = derives && !(mayLackRequest && lacking.length > 0);
  const { given, faults: ofGiven } = await givenColumns(duckdb, columns, isDerived ? fields : []);
  const readings: LabelReadings = {
    ...read,
    given,
    ...(options.mode === 'decided' ? { isDecided: true as const } : {}),
  };
  const features = [
    ...featureColumns(options.service, requestColumn !== null),
    ...(isDerived || requestColumn !== null ? derivedColumns(options.service) : []),
    ...(requestColumn === null ? [] : requestColumns(options.service)),
  ];
  const fraction = options.sample ?? options.repeatOf?.sample?.fraction ?? null;
  const staged = await stageLabels(duckdb, readings, fraction, signal);
  const faults = [
    ...readings.faults,
    ...ofGiven,
    ...staged.faults,
    ...(grid === null ? [] : timeClash(names, timeColumn)),
    ...columnClashes(grid === null ? names : [...names, timeColumn], features),
  ];
  if (faults.length > 0) throw spineError(path, faults);
  if (staged.rows === 0 && grid?.entitiesOf == null) throw emptySpine(path);
  const by = sampledBy(readings).map(({ column }) => column.name);
  const sample = fraction === null ? null : { fraction, by, ofRows: staged.rows };
  if (sample?.by.length === 0) throw withoutKeys(path);
  if (staged.rows > 0 && staged.kept === 0) throw emptySample(path, staged.rows);
  return { ...loaded, readings, timeColumn, requestColumn, said, sample, features, lacking };
}

/** Loads a file into `SPINE_TABLE`. */
export async function loadFile(
  { options, duckdb, signal }: LabelContext,
  file: SpineFile,
  special: ReadonlySet<string>,
): Promise<Omit<LoadedSpine, 'grid'>> {
  const { sha256, result: columns } = await whileUnchanged(file, signal, () =>
    loadSpine(duckdb, file, special, options.spillDir, signal),
  );
  const { path, sizeBytes, format } = file;
  return { path, of: { path, sizeBytes, sha256, isRead: format !== 'parquet' }, columns };
}

/** The column of the times that are made goes beside those there are. */
function timeClash(names: readonly string[], timeColumn: string): SpineFault[] {
  const other = names.find((name) => name.toLowerCase() === timeColumn.toLowerCase());
  if (other === undefined) return [];
  return [
    {
      code: 'feature-column-clash',
      message: `column "${other}" of the entities and the time of the rows would both be written as "${timeColumn}"`,
      remedy:
        'Name the column of the times otherwise with timeColumn (CLI: --time COLUMN), or leave that of the entities out.',
    },
  ];
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
  if (mode === 'decided') return DECISION_COLUMN;
  if (mode !== 'as-served') return null;
  if (requestColumn !== undefined) return requestColumn;
  const names = new Set(columns.map((column) => column.name));
  const isWhole =
    namedTime !== undefined || (names.has(timeColumn) && keyedPlaces(columns, places).length === places.length);
  return !isWhole && names.has(DEFAULT_REQUEST_COLUMN) ? DEFAULT_REQUEST_COLUMN : null;
}
