import type { ScalarValue } from './field-type.ts';

/**
 * Why a feature has no value.
 * `value-out-of-range`: its exact result does not fit its result type.
 * `too-many-distinct`: it has more distinct values, or categories, than its limit.
 * `state-corrupt`: the bytes stored for the entity are not those that were written; none of its features has a value.
 * `derived-failed`: the function of a derived feature threw, or gave what its kind does not allow. `input-error`: it read a value that is in error.
 */
export type ErrorCode = 'value-out-of-range' | 'too-many-distinct' | 'state-corrupt' | 'derived-failed' | 'input-error';

/** What stands in a cell in place of a value. There is one object per code, so `Object.is` compares cells by (bits, error). */
export class CellError {
  readonly code: ErrorCode;

  private constructor(code: ErrorCode) {
    this.code = code;
  }

  static readonly #known: ReadonlyMap<string, CellError> = new Map(
    (['value-out-of-range', 'too-many-distinct', 'state-corrupt', 'derived-failed', 'input-error'] as const).map(
      (code) => [code, Object.freeze(new CellError(code))],
    ),
  );

  /** The error of a code; undefined for a code that this version does not know. */
  static of(code: ErrorCode): CellError;
  static of(code: string): CellError | undefined;
  static of(code: string): CellError | undefined {
    return CellError.#known.get(code);
  }
}

/** One feature of one entity: its value, or why it has none. Equal cells are the same under `Object.is`. */
export type Cell = ScalarValue | CellError;

export const VALUE_OUT_OF_RANGE = CellError.of('value-out-of-range');
export const TOO_MANY_DISTINCT = CellError.of('too-many-distinct');
export const STATE_CORRUPT = CellError.of('state-corrupt');
export const DERIVED_FAILED = CellError.of('derived-failed');
export const INPUT_ERROR = CellError.of('input-error');

/** Whether a cell is an error. Errors are the only objects among cells. */
export function isCellError(cell: Cell): cell is CellError {
  return typeof cell === 'object' && cell !== null;
}
