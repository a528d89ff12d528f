/** One value per category, written from the text alone. */
import { OUT_OF_RANGE, type OracleValue, TOO_MANY_DISTINCT } from './exact.ts';
import { compareByType, type OracleScalar, type OracleType } from './order.ts';
import type { OracleEvent, OracleFeature } from './view.ts';

/**
 * "one value per category in the window": a map as JSON has it, ascending by key; null of nothing; `too-many-distinct` beyond the limit; "One
 * category's error is the whole feature's".
 *
 * @param counted The events with a value to aggregate.
 * @param valueOf What the feature is over some of them.
 */
export function dividedValue<Row>(
  { by, resultType }: OracleFeature<Row>,
  index: number,
  counted: readonly OracleEvent[],
  valueOf: (events: readonly OracleEvent[]) => OracleValue,
): OracleValue {
  const { type, limit } = by!;
  const events = new Map<OracleScalar, OracleEvent[]>();
  for (const event of counted) {
    const category = event.categories![index]!;
    // "A null category is skipped."
    if (category === null) continue;
    events.set(category, [...(events.get(category) ?? []), event]);
  }
  if (events.size === 0) return null;
  if (events.size > limit) return TOO_MANY_DISTINCT;
  const entries = [...events].toSorted(([a], [b]) => compareByType(type, a, b));
  const values = entries.map(([, own]) => valueOf(own));
  const error = values.find((value) => value === OUT_OF_RANGE || value === TOO_MANY_DISTINCT);
  if (error !== undefined) return error;
  const text = entries.map(
    ([category], at) => `${JSON.stringify(String(category))}:${inJson(resultType, values[at] as OracleScalar | null)}`,
  );
  return `{${text.join(',')}}`;
}

/** "int64 and decimal elements are strings, doubles numbers, times ISO with six decimals"; lists and maps are JSON already. */
function inJson(type: OracleType | null | undefined, value: OracleScalar | null): string {
  if (value === null) return 'null';
  if (type === null || type === undefined) return String(value);
  if (type.kind === 'timestamp') {
    const micros = Number(value);
    const seconds = Math.floor(micros / 1e6);
    const rest = String(micros - seconds * 1e6).padStart(6, '0');
    return `"${new Date(seconds * 1000).toISOString().slice(0, 19)}.${rest}Z"`;
  }
  const isNumber = type.kind === 'int' || type.kind === 'double' || type.kind === 'boolean';
  return isNumber ? JSON.stringify(value) : JSON.stringify(String(value));
}
