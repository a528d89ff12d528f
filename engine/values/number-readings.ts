import type { ColumnType } from './column-type.ts';
import type { Convert } from './convert.ts';
import { canonicalDecimal, rescaledDecimal } from './decimal-text.ts';
import { numberText, unitsOf } from './integer-readings.ts';

/** Typed values of `z.number()`. A FLOAT column is none: its 1.111 is another double than the 1.111 of a JSON text. */
export function typedDouble(form: ColumnType): Convert | null {
  switch (form.kind) {
    case 'double':
      // Adding 0 turns -0 into 0.
      return (raw) => (typeof raw === 'number' && Number.isFinite(raw) ? raw + 0 : undefined);
    case 'integer':
      // Rounded as JSON.parse would.
      return (raw) => {
        const value = typeof raw === 'bigint' ? Number(raw) : raw;
        return Number.isFinite(value) ? (value as number) + 0 : undefined;
      };
    case 'decimal': {
      // Through the decimal text: dividing by a power of ten would round twice.
      const { scale } = form;
      return (raw) => {
        const units = unitsOf(raw);
        return units === undefined ? undefined : Number(`${units}e-${scale}`) + 0;
      };
    }
    default:
      return null;
  }
}

/** Typed values of `z.float32()`: the nearest double, rounded to 32 bits. */
export function typedFloat32(form: ColumnType): Convert | null {
  const nearest = typedDouble(form.kind === 'float' ? { kind: 'double' } : form);
  return nearest === null ? null : rounded(nearest);
}

export const textDouble: Convert = (raw) => {
  const value = typeof raw === 'string' && numberText.test(raw) ? Number(raw) : Number.NaN;
  return Number.isFinite(value) ? value + 0 : undefined;
};

export const textFloat32: Convert = rounded(textDouble);

function rounded(nearest: Convert): Convert {
  return (raw) => {
    const value = nearest(raw) as number | undefined;
    if (value === undefined) return undefined;
    // Writers of floats print the largest as 3.4028235e38, which is beyond it until it is rounded.
    const float = Math.fround(value);
    return Number.isFinite(float) ? float + 0 : undefined;
  };
}

/** What to say of a number that is refused. */
export function numberAdvice(raw: unknown): string {
  return typeof raw === 'number' && !Number.isFinite(raw) ? 'a value that is not known is null' : '';
}

/** Typed values of `decimal(p, s)`. A JSON number and a double are none: they are not exact. */
export function typedDecimal(form: ColumnType, precision: number, scale: number): Convert | null {
  if (form.kind === 'text') {
    return (raw) => (typeof raw === 'string' ? canonicalDecimal(raw, precision, scale) : undefined);
  }
  if (form.kind !== 'integer' && form.kind !== 'decimal') return null;
  const rescaled = rescaledDecimal(form.kind === 'decimal' ? form.scale : 0, precision, scale);
  return (raw) => {
    const units = unitsOf(raw);
    return units === undefined ? undefined : rescaled(units);
  };
}

/** A decimal in text: plain notation; zeros beyond its scale change nothing. */
export function textDecimal(precision: number, scale: number): Convert {
  const surplus = new RegExp(String.raw`^(-?\d+)(?:\.0+|(\.\d{${scale}})0+)$`);
  return (raw) => {
    if (typeof raw !== 'string') return undefined;
    const value = canonicalDecimal(raw, precision, scale);
    if (value !== undefined) return value;
    const exact = surplus.exec(raw);
    return exact === null ? undefined : canonicalDecimal(`${exact[1]}${exact[2] ?? ''}`, precision, scale);
  };
}

/** What to say of a decimal that is refused. */
export function decimalAdvice(raw: unknown): string {
  return typeof raw === 'number' && Number.isFinite(raw)
    ? 'a JSON number is a double, which is not exact: send it as text'
    : '';
}
