import { type Cell, type ErrorCode, isCellError } from './cell.ts';
import { jsonTree } from './composite-text.ts';
import type { JsonTree, JsonValue } from './json-values.ts';
import type { ResultType } from './result-type.ts';

/** A cell as JSON has it: its value, a map in `{ "map": … }`; or `{ "error": code }`, which no value is. */
export type CellJson = JsonValue | readonly JsonTree[] | { readonly map: JsonTree } | { readonly error: ErrorCode };

/**
 * A cell as JSON, where values stand alone and errors have no place beside them.
 *
 * @example
 * cellJson({ kind: 'int64' }, VALUE_OUT_OF_RANGE); // { error: 'value-out-of-range' }
 */
export function cellJson(type: ResultType, cell: Cell): CellJson {
  if (isCellError(cell)) return { error: cell.code };
  const tree = jsonTree(type, cell);
  return type.kind === 'map' && tree !== null ? { map: tree } : (tree as JsonValue | readonly JsonTree[]);
}

/** What is shown of a cell: a map as itself; an error, which has no value, as its object. */
export function treeOfCell(cell: CellJson): JsonTree {
  // An array has a `map`, too.
  return typeof cell === 'object' && cell !== null && Object.hasOwn(cell, 'map')
    ? (cell as { readonly map: JsonTree }).map
    : cell;
}
