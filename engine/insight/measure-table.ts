import { shownIf } from '../define/sensitive-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { countErrors } from '../training/cell-errors.ts';
import { stagedStatistics } from '../training/staged-statistics.ts';
import type { ResultType } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import { absenceOf } from './absence.ts';
import { curveOf } from './curve.ts';
import { distributionOf } from './distribution.ts';
import { readValues } from './feature-values.ts';
import type { Label } from './label-kind.ts';
import { strengthOf } from './strength.ts';
import type { TriedFeature } from './try-report.ts';

/** Features that were read for the labels, in a staged table. */
export interface ReadFeatures {
  /** The view's name, the role's, or for what a service derives its own. */
  readonly block: string;
  /** `row_number`, then `f0`, `f1`, …; its errors in `errorsTable` of it. */
  readonly table: string;
  readonly features: readonly { readonly name: string; readonly result: ResultType }[];
  /** Per feature, rows that have its default because there was nothing to read. */
  readonly defaulted?: readonly number[] | undefined;
  readonly isSensitive: (feature: string) => boolean;
}

/** What was read, feature by feature; and for how many rows. One feature is held at a time. */
export async function measureTable(
  duckdb: DuckDb,
  { block, table, features, defaulted, isSensitive }: ReadFeatures,
  { label, rows, signal }: { readonly label: Label | null; readonly rows: number; readonly signal: AbortSignal },
): Promise<{ readonly rows: number; readonly features: readonly TriedFeature[] }> {
  const counted = await stagedStatistics(
    duckdb,
    table,
    features.map(({ result }) => result),
  );
  const errors = await countErrors(duckdb, table, signal);
  const measured: TriedFeature[] = [];
  for (const [index, { name, result }] of features.entries()) {
    signal.throwIfAborted();
    const values = await readValues(duckdb, { table, column: `f${index}`, type: result }, rows, signal);
    const isHashed = isSensitive(name);
    const isHidden = isHashed && values.kind === 'number';
    const ofFeature = errors.filter((error) => error.feature === index);
    const failed = ofFeature.reduce((sum, error) => sum + error.rows, 0);
    measured.push({
      column: `${block}__${name}`,
      block,
      feature: name,
      type: nameOfType(result),
      rows: counted.rows,
      nulls: counted.features[index]!.nulls + (defaulted?.[index] ?? 0) - failed,
      errors: Object.fromEntries(ofFeature.map((error) => [error.code, error.rows])),
      distribution: distributionOf(values, isHashed),
      strength: label === null ? null : strengthOf(values, label),
      curve: label === null || isHidden ? null : curveOf(values, label, (category) => shownIf(isHashed, category)),
      absence: label === null ? null : absenceOf(values, label),
    });
  }
  return { rows: counted.rows, features: measured };
}
