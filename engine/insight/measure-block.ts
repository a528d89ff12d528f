import { sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { countErrors } from '../training/cell-errors.ts';
import type { BlockReading } from '../training/reading.ts';
import { stagedStatistics } from '../training/staged-statistics.ts';
import { nameOfType } from '../values/type-name.ts';
import { absenceOf } from './absence.ts';
import { curveOf } from './curve.ts';
import { distributionOf } from './distribution.ts';
import { readValues } from './feature-values.ts';
import type { Label } from './label-kind.ts';
import { strengthOf } from './strength.ts';
import type { TriedFeature } from './try-report.ts';

/** What was read of a block, feature by feature; and for how many rows. One feature is held at a time. */
export async function measureBlock(
  duckdb: DuckDb,
  {
    read: { block, table, defaulted },
    label,
    rows,
    signal,
  }: {
    readonly read: BlockReading;
    readonly label: Label | null;
    readonly rows: number;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly rows: number; readonly features: readonly TriedFeature[] }> {
  const { view } = block;
  const { features } = view.layout;
  const counted = await stagedStatistics(
    duckdb,
    table,
    features.map(({ result }) => result),
  );
  const errors = await countErrors(duckdb, table, signal);
  const sensitive = sensitiveParts(view);
  const measured: TriedFeature[] = [];
  for (const [index, { name, result }] of features.entries()) {
    signal.throwIfAborted();
    const values = await readValues(duckdb, { table, column: `f${index}`, type: result }, rows, signal);
    const isSensitive = sensitive.feature(name);
    const isHidden = isSensitive && values.kind === 'number';
    const ofFeature = errors.filter((error) => error.feature === index);
    const failed = ofFeature.reduce((sum, error) => sum + error.rows, 0);
    measured.push({
      column: `${block.name}__${name}`,
      block: block.name,
      feature: name,
      type: nameOfType(result),
      rows: counted.rows,
      nulls: counted.features[index]!.nulls + (defaulted?.[index] ?? 0) - failed,
      errors: Object.fromEntries(ofFeature.map((error) => [error.code, error.rows])),
      distribution: distributionOf(values, isSensitive),
      strength: label === null ? null : strengthOf(values, label),
      curve: label === null || isHidden ? null : curveOf(values, label, (category) => shownIf(isSensitive, category)),
      absence: label === null ? null : absenceOf(values, label),
    });
  }
  return { rows: counted.rows, features: measured };
}
