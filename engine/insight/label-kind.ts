import { MillraceError } from '../errors/millrace-error.ts';

/** More different texts than that are names, not categories. */
export const MOST_CATEGORIES = 100;

/** The labels of rows, one per row in their order; what has none is NaN, and -1 where they are codes. */
export type Label =
  /** 1: positive, 0: negative. `positive` and `negative` are the two values as they stand in the file. */
  | {
      readonly kind: 'binary';
      readonly column: string;
      readonly codes: Int32Array;
      readonly positive: string;
      readonly negative: string;
    }
  | { readonly kind: 'number'; readonly column: string; readonly values: Float64Array }
  | {
      readonly kind: 'category';
      readonly column: string;
      readonly codes: Int32Array;
      readonly names: readonly string[];
    };

/**
 * What numbers as labels are: of two values yes or no (the greater is yes), else a number.
 *
 * @throws MillraceError `label-constant`
 */
export function numberLabel(column: string, values: Float64Array): Label {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(low < high)) throw constantLabel(column, low === high ? String(low) : null);
  const isBinary = values.every((value) => Number.isNaN(value) || value === low || value === high);
  if (!isBinary) return { kind: 'number', column, values };
  const codes = Int32Array.from(values, (value) => (Number.isNaN(value) ? -1 : value === high ? 1 : 0));
  return { kind: 'binary', column, codes, positive: String(high), negative: String(low) };
}

/**
 * What texts as labels are: of two of them yes or no (the later in the order of their bytes is yes), else categories.
 *
 * @param names distinct, in the order of their bytes, and all of them among the rows
 * @throws MillraceError `label-constant`, `label-unusable`
 */
export function textLabel(column: string, codes: Int32Array, names: readonly string[]): Label {
  const [negative, positive] = names;
  if (negative === undefined || positive === undefined) throw constantLabel(column, negative ?? null);
  if (names.length === 2) return { kind: 'binary', column, codes, positive, negative };
  if (names.length <= MOST_CATEGORIES) return { kind: 'category', column, codes, names };
  throw unusableLabel(
    column,
    `has ${names.length.toLocaleString('en-US')} different texts: expected two, or numbers, or at most ${MOST_CATEGORIES} categories`,
    'Name a column that says yes or no, a number or a category.',
  );
}

/** How many rows have a label. */
export function labelledRows(label: Label): number {
  let rows = 0;
  if (label.kind === 'number') for (const value of label.values) rows += Number.isNaN(value) ? 0 : 1;
  else for (const code of label.codes) rows += code < 0 ? 0 : 1;
  return rows;
}

/** The error for a label that is the same in all rows; null: it is in none. */
function constantLabel(column: string, value: string | null): MillraceError {
  const what = value === null ? 'has no value in any row' : `is ${value} in every row that has one`;
  return new MillraceError('label-constant', `the label "${column}" ${what}: nothing can be told from it`, {
    remedy: 'Name another column, or take more rows (--sample): a rare class may not be among few.',
    httpStatus: 422,
    details: { column, value },
  });
}

export function unusableLabel(column: string, what: string, remedy: string): MillraceError {
  return new MillraceError('label-unusable', `the label "${column}" ${what}`, {
    remedy,
    httpStatus: 422,
    details: { column },
  });
}
