import { expect } from 'vitest';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';
import { OUT_OF_RANGE, type OracleValue } from '../oracle/oracle-read.ts';

/** The state of events applied in the order given. */
export function stateOf(reducer: ViewReducer, events: readonly PreparedEvent[]): EntityState {
  const state = reducer.empty();
  for (const event of events) reducer.apply(state, event);
  return state;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/**
 * Reads a feature at a time from a state made by any reducer of the same groups and slots, so that one feature out of range does not hide
 * the others.
 */
export function readerPerFeature(layout: ViewLayout): (state: EntityState, atUs: number) => OracleValue[] {
  const readers = layout.features.map((feature) => createViewReducer({ ...layout, features: [feature] }));
  return (state, atUs) =>
    readers.map((reader) => {
      try {
        return reader.read(state, atUs)[0]!;
      } catch (error) {
        if (!isMillraceError(error) || error.code !== 'value-out-of-range') throw error;
        return OUT_OF_RANGE;
      }
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
