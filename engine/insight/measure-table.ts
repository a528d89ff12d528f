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
import { numbersOf, type RowValues } from './row-columns.ts';
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
    const ofFeature = errors.filter((error) => error.feature === index);
    const failed = ofFeature.reduce((sum, error) => sum + error.rows, 0);
    const add = (item: string, type: string, of: RowValues): void => {
      const isHidden = isHashed && of.kind === 'number';
      measured.push({
        column: `${block}__${name}${item}`,
        block,
        feature: `${name}${item}`,
        type,
        rows: counted.rows,
        nulls: counted.features[index]!.nulls + (defaulted?.[index] ?? 0) - failed,
        errors: Object.fromEntries(ofFeature.map((error) => [error.code, error.rows])),
        distribution: distributionOf(of, isHashed),
        strength: label === null ? null : strengthOf(of, label),
        curve: label === null || isHidden ? null : curveOf(of, label, (category) => shownIf(isHashed, category)),
        absence: label === null ? null : absenceOf(of, label),
      });
    };
    add('', nameOfType(result), values);
    for (const item of numbersOfList(result, values)) {
      const sql = `CAST(json_extract_string(f${index}, '$[${item}]') AS DOUBLE)`;
      const ofItem = await numbersOf(duckdb, table, sql, rows, signal);
      add(`[${item}]`, 'number', { kind: 'number', values: ofItem });
    }
  }
  return { rows: counted.rows, features: measured };
}

/** A list with more numbers is told by its size alone. */
const MOST_ITEMS = 8;

/** Which numbers of a list are measured each by itself: of one that has the same few everywhere, as quantiles, all of them. Its size tells nothing. */
function numbersOfList(type: ResultType, values: RowValues): readonly number[] {
  if (type.kind !== 'list' || values.kind !== 'collection' || !NUMBERS.has(type.item.kind)) return [];
  const sizes = new Set(values.sizes.filter((size) => !Number.isNaN(size)));
  const [size = 0] = sizes;
  return sizes.size === 1 && size <= MOST_ITEMS ? Array.from({ length: size }, (_, item) => item) : [];
}

const NUMBERS: ReadonlySet<ResultType['kind']> = new Set(['int', 'int64', 'decimal', 'double']);
