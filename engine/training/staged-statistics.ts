import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant } from '../errors/millrace-error.ts';
import { isScalarType, type ResultType } from '../values/result-type.ts';

/** How many elements the lists or maps of a feature have, where they are not null. */
export interface ElementCounts {
  readonly least: number;
  readonly most: number;
  readonly mean: number;
}

/** What a manifest says of the values of one feature. */
export interface StagedStatistics {
  readonly nulls: number;
  /** Of lists and maps; null where all are null, undefined of what is neither. */
  readonly elements: ElementCounts | null | undefined;
}

/** Of the features of one view, in layout order; and how many rows were staged. */
export async function stagedStatistics(
  duckdb: DuckDb,
  table: string,
  features: readonly ResultType[],
): Promise<{ readonly rows: number; readonly features: readonly StagedStatistics[] }> {
  const columns = features.flatMap((type, f) => [
    `count(f${f}) AS values_${f}`,
    ...(isScalarType(type) ? [] : elementColumns(f, elementsSql(type.kind, `f${f}`))),
  ]);
  const [counted] = await duckdb.query<Record<string, bigint | null>>(
    `SELECT ${['count(*) AS row_count', ...columns].join(', ')} FROM ${table}`,
  );
  invariant(counted !== undefined, `no counts of ${table}`);
  const numberOf = (name: string): number => Number(counted[name] ?? 0);
  const rows = numberOf('row_count');
  return {
    rows,
    features: features.map((type, f) => {
      const values = numberOf(`values_${f}`);
      return { nulls: rows - values, elements: isScalarType(type) ? undefined : elementsOf(f, values, numberOf) };
    }),
  };
}

function elementColumns(f: number, count: string): string[] {
  return [`min(${count}) AS least_${f}`, `max(${count}) AS most_${f}`, `sum(${count}) AS sum_${f}`];
}

/** SQL: the number of elements of a canonical text. */
function elementsSql(kind: 'list' | 'map', text: string): string {
  return kind === 'list' ? `json_array_length(${text})` : `len(json_keys(${text}))`;
}

function elementsOf(f: number, values: number, numberOf: (name: string) => number): ElementCounts | null {
  if (values === 0) return null;
  return { least: numberOf(`least_${f}`), most: numberOf(`most_${f}`), mean: numberOf(`sum_${f}`) / values };
}
