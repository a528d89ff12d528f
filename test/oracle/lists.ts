/** Lists, written from design §5 and §15 alone. */
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
