/** Order of values by their type, written from design §5 alone. */

/** A value of a row, an id or a result. Decimals are text with all their digits, e.g. `'1.50'`; times are µs. */
export type OracleScalar = number | bigint | string | boolean;

export type OracleType =
  | { readonly kind: 'int' | 'int64' | 'double' | 'string' | 'enum' | 'boolean' | 'timestamp' | 'date' }
  | { readonly kind: 'decimal'; readonly scale: number };

/** Numbers by value, texts by their UTF-8 bytes (days too, as `'2001-02-03'`), false before true. */
export function compareByType(type: OracleType, a: OracleScalar, b: OracleScalar): number {
  if (type.kind === 'decimal') return sign(scaledInteger(a, type.scale) - scaledInteger(b, type.scale));
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compareTexts(a: string, b: string): number {
  return compareByType({ kind: 'string' }, a, b);
}

/** A decimal times 10^scale. */
export function scaledInteger(value: OracleScalar, scale: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value));
  if (match === null) throw new RangeError(`no decimal: ${String(value)}`);
  const [, minus, whole, fraction = ''] = match;
  if (fraction.length > scale) throw new RangeError(`more than ${scale} digits: ${String(value)}`);
  const magnitude = BigInt(whole! + fraction.padEnd(scale, '0'));
  return minus === '-' ? -magnitude : magnitude;
}

function sign(difference: bigint): number {
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
