import { expect } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import type { Cell } from '../../engine/values/cell.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';
import { OUT_OF_RANGE, type OracleValue, TOO_MANY_DISTINCT } from '../oracle/exact.ts';

/** The state of events applied in the order given. */
export function stateOf(reducer: ViewReducer, events: readonly PreparedEvent[]): EntityState {
  const state = reducer.empty();
  for (const event of events) reducer.apply(state, event);
  return state;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Cells in the oracle's terms. */
export function asOracle(cells: readonly Cell[]): OracleValue[] {
  return cells.map((cell) => {
    if (typeof cell !== 'object' || cell === null) return cell;
    if (cell.code === 'state-corrupt') throw new Error(`a read gave ${cell.code}`);
    return cell.code === 'too-many-distinct' ? TOO_MANY_DISTINCT : OUT_OF_RANGE;
  });
}

/** Fails unless all values are the same to the bit. */
export function expectSameBits(
  layout: ViewLayout,
  atUs: number,
  actual: readonly OracleValue[],
  expected: readonly OracleValue[],
): void {
  for (const [index, value] of expected.entries()) {
    if (!Object.is(actual[index], value)) {
      const { name } = layout.features[index]!;
      expect.fail(`${name} at ${atUs}: engine ${String(actual[index])}, oracle ${String(value)}`);
    }
  }
  expect(actual).toHaveLength(expected.length);
}
