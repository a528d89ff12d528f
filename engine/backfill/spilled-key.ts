import type { ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';

/** Join key values as text: equal keys give equal text. JSON, int64 as digits. */
export function keyToText(key: readonly ScalarValue[]): string {
  return JSON.stringify(key, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** The key values back, by the layout's types. */
export function keyFromText(text: string, layout: ViewLayout): ScalarValue[] {
  const values = JSON.parse(text) as ScalarValue[];
  return values.map((value, index) => (layout.keys[index]?.type.kind === 'int64' ? BigInt(value as string) : value));
}
