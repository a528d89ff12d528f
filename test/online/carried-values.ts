import type { FeatureLayout } from '../../engine/define/view-layout.ts';
import { carriedValue } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';

/** The values of a typed read as the engine carries them, in the order of `features`, which is that of the read. */
export function carriedValues(
  features: readonly FeatureLayout[],
  values: Readonly<Record<string, unknown>>,
): ScalarValue[] {
  const given = Object.entries(values);
  if (given.some(([name], index) => name !== features[index]?.name))
    throw new Error('a read has other features, or another order');
  return given.map(([name, value], index) => {
    const carried = carriedValue(features[index]!.result)(value);
    if (carried === undefined) throw new Error(`${name}: ${String(value)} is no value of its type`);
    return carried;
  });
}
