import type { Cell } from '../values/cell.ts';
import { cellJson } from '../values/cell-json.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import type { ParityCell } from '../postgres/parity-audits.ts';
import type { ServedValue } from '../served/served-read.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';

/** Whether two cells are the same: bits, or error. */
export function sameCell(a: Cell, b: Cell): boolean {
  return Object.is(a, b);
}

/** How many of the logged cells are not those of `state` at `atUs`. */
export function countDiffering(
  reducer: ViewReducer,
  state: EntityState,
  atUs: number,
  served: readonly ServedValue[],
): number {
  const cells = reducer.read(state, atUs);
  let differing = 0;
  for (const { index, value } of served) if (!sameCell(cells[index]!, value)) differing++;
  return differing;
}

/** The given features of two reads, as an audit keeps them. */
export function cellsOf(
  layout: ViewLayout,
  features: readonly number[],
  expected: readonly Cell[],
  received: readonly Cell[],
): ParityCell[] {
  return features.map((index) => {
    const { name, result } = layout.features[index]!;
    return {
      feature: name,
      expected: cellJson(result, expected[index]!),
      received: cellJson(result, received[index]!),
    };
  });
}
