import { z } from 'zod';
import { MillraceError } from '../errors/millrace-error.ts';
import { MAX_DECIMAL_PRECISION } from '../values/decimal-text.ts';

/** What `decimal(p, s)` adds to the definition of a zod string; clones made by zod keep it. */
export interface DecimalDef extends z.core.$ZodStringDef {
  readonly decimal: { readonly precision: number; readonly scale: number };
}

/** The zod schema `decimal(p, s)` gives: text in JSON, DECIMAL in a column, a canonical string in a row. */
export interface ZodDecimal extends z.ZodString {
  _zod: z.core.$ZodStringInternals<string> & { def: DecimalDef };
}

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
