import { type Cell, type ErrorCode, isCellError } from './cell.ts';
import type { ScalarValue } from './field-type.ts';

/** In place of a feature's name: all features of the entity. */
export const EVERY_FEATURE = '*';

/**
 * Errors beside values, as every surface has them: feature to code, `*` for all features at once. Where nothing is wrong there is `null` in
 * its place, never an empty object.
 */
export type FeatureErrors<Feature extends string = string> = string extends Feature
  ? Readonly<Record<string, ErrorCode>>
  : { readonly [Name in Feature | typeof EVERY_FEATURE]?: ErrorCode };

/** What stands beside the values of an entity whose stored state is corrupt: all of them are null. */
export const ALL_CORRUPT: FeatureErrors = Object.freeze({ [EVERY_FEATURE]: 'state-corrupt' });

/** The code of the error that stands in place of a feature's value; undefined where there is none. */
export function errorOf<Code>(errors: Readonly<Record<string, Code>> | null, feature: string): Code | undefined {
  // A feature may be called `constructor`.
  return errors === null
    ? undefined
    : (errors[EVERY_FEATURE] ?? (Object.hasOwn(errors, feature) ? errors[feature] : undefined));
}

/** The values of cells, null where one is an error, and the errors by feature. Takes over `cells`; allocates only where there are errors. */
export function splitCells(
  features: readonly { readonly name: string }[],
  cells: Cell[],
): { readonly values: ScalarValue[]; readonly errors: FeatureErrors | null } {
  let errors: Record<string, ErrorCode> | null = null;
  for (let index = 0; index < cells.length; index++) {
    const cell = cells[index]!;
    if (!isCellError(cell)) continue;
    errors ??= {};
    errors[features[index]!.name] = cell.code;
    cells[index] = null;
  }
  return { values: cells as ScalarValue[], errors };
}
