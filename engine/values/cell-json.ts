import { type Cell, type ErrorCode, isCellError } from './cell.ts';
import type { ScalarType } from './field-type.ts';
import { type JsonValue, jsonValue } from './json-values.ts';

/** A cell as JSON has it: its value, or `{ "error": code }`, which no value is. */
export type CellJson = JsonValue | { readonly error: ErrorCode };

/**
 * A cell as JSON, where values stand alone and errors have no place beside them.
 *
 * @example
 * cellJson({ kind: 'int64' }, VALUE_OUT_OF_RANGE); // { error: 'value-out-of-range' }
 */
export function cellJson(type: ScalarType, cell: Cell): CellJson {
  return isCellError(cell) ? { error: cell.code } : jsonValue(type, cell);
}
