import { z } from 'zod';
import { MillraceError } from '../errors/millrace-error.ts';

/** What `decimal(p, s)` adds to the definition of a zod string; clones made by zod keep it. */
export interface DecimalDef extends z.core.$ZodStringDef {
  readonly decimal: { readonly precision: number; readonly scale: number };
}

/** The zod schema `decimal(p, s)` gives: text in JSON, DECIMAL in a column, a canonical string in a row. */
export interface ZodDecimal extends z.ZodString {
  _zod: z.core.$ZodStringInternals<string> & { def: DecimalDef };
}

/** The most digits a decimal can have; DuckDB's and Parquet's limit too. */
export const MAX_DECIMAL_PRECISION = 38;

/**
 * A contract field with an exact decimal number: `precision` digits in all, `scale` of them after the point. In JSON it is a string
 * (`"12.50"`, plain notation, at most `scale` fraction digits), in rows a string with exactly `scale` fraction digits.
 *
 * @throws MillraceError `invalid-decimal` unless 1 ≤ precision ≤ 38 and 0 ≤ scale ≤ precision.
 * @example
 * const order = z.object({ price: decimal(10, 2) }); // accepts {"price": "12.5"}, the row has "12.50"
 */
export function decimal(precision: number, scale: number): ZodDecimal {
  const sound =
    Number.isInteger(precision) &&
    Number.isInteger(scale) &&
    precision >= 1 &&
    precision <= MAX_DECIMAL_PRECISION &&
    scale >= 0 &&
    scale <= precision;
  if (!sound) {
    throw new MillraceError(
      'invalid-decimal',
      `decimal(${precision}, ${scale}): expected whole numbers with 1 <= precision <= 38 and 0 <= scale <= precision`,
      { remedy: 'Give the digits in all first, then how many of them stand after the point: decimal(10, 2).' },
    );
  }
  const base = z.string().regex(decimalPattern(precision, scale), `expected a decimal(${precision},${scale})`);
  return base.clone({ ...base.def, decimal: { precision, scale } } as DecimalDef) as ZodDecimal;
}

function decimalPattern(precision: number, scale: number): RegExp {
  const whole = precision - scale;
  const digits = whole > 1 ? `(?:0|[1-9]\\d{0,${whole - 1}})` : whole === 1 ? '\\d' : '0';
  return new RegExp(`^-?${digits}${scale > 0 ? `(?:\\.\\d{1,${scale}})?` : ''}$`);
}

const plainDecimal = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?$/;

/** The canonical form of a plain decimal text, or undefined where it is none or does not fit. */
export function canonicalDecimal(text: string, precision: number, scale: number): string | undefined {
  const match = plainDecimal.exec(text);
  if (match === null) return undefined;
  const whole = match[2] as string;
  const fraction = match[3] ?? '';
  if (fraction.length > scale || (whole === '0' ? 0 : whole.length) > precision - scale) return undefined;
  const unsigned = scale === 0 ? whole : `${whole}.${fraction.padEnd(scale, '0')}`;
  return match[1] === '-' && /[1-9]/.test(unsigned) ? `-${unsigned}` : unsigned;
}

/** The canonical decimal(precision, scale) of `unscaled · 10^-fromScale`, or undefined where it is not exactly one. */
export function decimalOfScaled(
  unscaled: bigint,
  fromScale: number,
  precision: number,
  scale: number,
): string | undefined {
  let units = unscaled;
  if (fromScale < scale) units *= 10n ** BigInt(scale - fromScale);
  else if (fromScale > scale) {
    const step = 10n ** BigInt(fromScale - scale);
    if (units % step !== 0n) return undefined;
    units /= step;
  }
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString();
  if (digits.length > precision && digits !== '0') return undefined;
  const padded = digits.padStart(scale + 1, '0');
  const text = scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  return negative ? `-${text}` : text;
}
