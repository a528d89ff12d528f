import type { DuckDb } from '../duckdb/duckdb.ts';
import { contentHash } from './content-hash.ts';
import { columnClashes, type FeatureColumn, featureColumns } from './feature-columns.ts';
import { DEFAULT_REQUEST_COLUMN, keyedEntities, requestLabels, requestReadings } from './request-labels.ts';
import { emptySpine, loadSpine, type SpineColumn, type SpineFile } from './spine-file.ts';
import { spineError } from './spine-faults.ts';
import { findBadValues, labelReadings, outputColumns, type SpineEntity, sortLabels } from './spine-labels.ts';
import type { TrainingOptions } from './training-types.ts';

export const DEFAULT_TIME_COLUMN = 'event_timestamp';

/** A spine, loaded, checked and made into labels. */
export interface PreparedSpine {
  readonly rows: number;
  readonly columns: readonly string[];
  /** How its columns go to the output. */
  readonly output: readonly { readonly name: string; readonly sql: string }[];
  readonly sha256: string;
  /** What the rows name: entities at times, or requests. */
  readonly timeColumn: string | null;
  readonly requestColumn: string | null;
  /** The entities that the labels have ids of. */
  readonly keyed: ReadonlySet<SpineEntity>;
  /** The columns the service adds. */
  readonly features: readonly FeatureColumn[];
}

/** Loads, checks and sorts the spine; every fault that can be told at once is told at once. */
export async function prepareSpine(
  options: TrainingOptions,
  duckdb: DuckDb,
  file: SpineFile,
  entities: readonly SpineEntity[],
  signal: AbortSignal,
): Promise<PreparedSpine> {
  const { sha256 } = await contentHash(file.path, signal);
  const timeColumn = options.timeColumn ?? DEFAULT_TIME_COLUMN;
  const special = new Set([timeColumn, ...entities.flatMap((entity) => entity.keys.map((key) => key.name))]);
  if (options.mode === 'as-served') special.add(options.requestColumn ?? DEFAULT_REQUEST_COLUMN);
  const columns = await loadSpine(duckdb, file, special, signal);
  const names = columns.map((column) => column.name);
  const requestColumn = requestColumnOf(options, columns, entities, timeColumn);
  const readings =
    requestColumn === null
      ? labelReadings(columns, entities, timeColumn)
      : requestReadings(columns, entities, requestColumn);
  const features = featureColumns(options.service, requestColumn !== null);
  const faults = [
    ...readings.faults,
    ...(await findBadValues(duckdb, readings, signal)),
    ...columnClashes(names, features),
  ];
  if (faults.length > 0) throw spineError(file.path, faults);
  const rows =
    requestColumn === null
      ? await sortLabels(duckdb, entities, readings, signal)
      : await requestLabels(duckdb, entities, readings, signal);
  if (rows === 0) throw emptySpine(file.path);
  const output = outputColumns(columns, entities, readings, file.format !== 'parquet');
  return {
    rows,
    columns: names,
    output,
    sha256,
    timeColumn: requestColumn === null ? timeColumn : null,
    requestColumn,
    keyed: new Set(requestColumn === null ? entities : keyedEntities(columns, entities)),
    features,
  };
}

/** The column of request ids where the rows are to be read by it: one that is named, or the usual one where times or keys are lacking. */
function requestColumnOf(
  { mode, requestColumn, timeColumn: namedTime }: TrainingOptions,
  columns: readonly SpineColumn[],
  entities: readonly SpineEntity[],
  timeColumn: string,
): string | null {
  if (mode !== 'as-served') return null;
  if (requestColumn !== undefined) return requestColumn;
  const names = new Set(columns.map((column) => column.name));
  const isWhole =
    namedTime !== undefined || (names.has(timeColumn) && keyedEntities(columns, entities).length === entities.length);
  return !isWhole && names.has(DEFAULT_REQUEST_COLUMN) ? DEFAULT_REQUEST_COLUMN : null;
}
