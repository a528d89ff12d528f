import { type JsonValue, jsonValue } from '../values/json-values.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { ParityCell } from '../postgres/parity-audits.ts';
import type { ServedValue } from '../served/served-read.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';

/** The values a state gives, or the name of the feature's error where they do not fit their type. */
export function readValues(reducer: ViewReducer, state: EntityState, atUs: number): ScalarValue[] | { error: string } {
  try {
    return reducer.read(state, atUs);
  } catch (error) {
    if (isMillraceError(error) && error.code === 'value-out-of-range') return { error: error.message };
    throw error;
  }
}

/** Equality of bits. */
export function sameValue(a: ScalarValue, b: ScalarValue): boolean {
  return Object.is(a, b);
}

/** How many of the logged values are not those of `state` at `atUs`. */
export function countDiffering(
  reducer: ViewReducer,
  state: EntityState,
  atUs: number,
  served: readonly ServedValue[],
): number {
  const values = readValues(reducer, state, atUs);
  if ('error' in values) return served.length;
  let differing = 0;
  for (const { index, value } of served) if (!sameValue(values[index]!, value)) differing++;
  return differing;
}

/** The cells of the given features: what each of two states reads, or has for its error. */
export function cellsOf(
  layout: ViewLayout,
  features: readonly number[],
  expected: ScalarValue[] | { error: string },
  received: ScalarValue[] | { error: string } | null,
): ParityCell[] {
  const shown = (values: ScalarValue[] | { error: string } | null, index: number): JsonValue => {
    if (values === null) return null;
    return 'error' in values ? values.error : jsonValue(layout.features[index]!.result, values[index]!);
  };
  return features.map((index) => ({
    feature: layout.features[index]!.name,
    expected: shown(expected, index),
    received: shown(received, index),
  }));
}
