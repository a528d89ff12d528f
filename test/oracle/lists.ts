/** Lists and counts by value, written from design §5 and §15 alone. */
import { type OracleValue, TOO_MANY_DISTINCT } from './exact.ts';
import { compareByType, type OracleScalar, type OracleType } from './order.ts';

/** A list as JSON: "int64 and decimal elements are strings, doubles numbers, times ISO with six decimals". */
export function listText(type: OracleType, values: readonly OracleScalar[]): string {
  return JSON.stringify(values.map((value) => jsonOf(type, value)));
}

function jsonOf(type: OracleType, value: OracleScalar): string | number | boolean {
  if (typeof value === 'bigint') return String(value);
  if (type.kind !== 'timestamp') return value;
  const us = BigInt(value);
  const into = ((us % 1000n) + 1000n) % 1000n;
  const millis = new Date(Number((us - into) / 1000n)).toISOString();
  return millis.replace('Z', `${String(into).padStart(3, '0')}Z`);
}

/** The values of the first or last n of events that are in order; distinct: each value where it first or last is. */
export function listed(
  type: OracleType,
  values: readonly OracleScalar[],
  { kind, n, distinct }: { readonly kind: 'firstN' | 'lastN'; readonly n: number; readonly distinct: boolean },
): OracleScalar[] {
  const same = (a: OracleScalar, b: OracleScalar): boolean => compareByType(type, a, b) === 0;
  const places = values.filter((value, at) => {
    const others = kind === 'firstN' ? values.slice(0, at) : values.slice(at + 1);
    return !distinct || !others.some((other) => same(other, value));
  });
  return kind === 'firstN' ? places.slice(0, n) : places.slice(-n);
}

/**
 * "exact count of distinct values", "exact counts by value; topK by rank", "equal counts in ascending order of the type"; of nothing 0, null;
 * "exactly `limit` is allowed".
 */
export function countedValue(
  type: OracleType,
  values: readonly OracleScalar[],
  { kind, k, limit }: { readonly kind: 'distinct' | 'topK' | 'histogram'; readonly k: number; readonly limit: number },
): OracleValue {
  const counts = new Map<OracleScalar, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  if (counts.size > limit) return TOO_MANY_DISTINCT;
  if (kind === 'distinct') return counts.size;
  if (counts.size === 0) return null;
  const ascending = [...counts].toSorted(([a], [b]) => compareByType(type, a, b));
  if (kind === 'histogram')
    return `{${ascending.map(([key, count]) => `${JSON.stringify(String(key))}:${count}`).join(',')}}`;
  const ranked = ascending.toSorted(([a, one], [b, other]) => other - one || compareByType(type, a, b));
  return listText(
    type,
    ranked.slice(0, k).map(([value]) => value),
  );
}
