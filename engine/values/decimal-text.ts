/** The most digits a decimal can have; DuckDB's and Parquet's limit too. */
export const MAX_DECIMAL_PRECISION = 38;

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

/** A canonical decimal as a scaled integer: "-0.50" is -50. A number where it is surely safe, else a bigint. */
export function scaledOfDecimal(text: string): number | bigint {
  if (text.length > 15) return BigInt(text.replace('.', ''));
  const negative = text.charCodeAt(0) === 0x2d;
  let scaled = 0;
  for (let at = negative ? 1 : 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit !== 0x2e) scaled = scaled * 10 + (unit - 0x30);
  }
  return negative ? 0 - scaled : scaled;
}

/** The canonical decimal text of a scaled integer: (-50, 2) is "-0.50". */
export function decimalOfScaled(scaled: number | bigint, scale: number): string {
  const negative = scaled < 0;
  const digits = `${negative ? -scaled : scaled}`.padStart(scale + 1, '0');
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return negative ? `-${text}` : text;
}

/**
 * From a scaled integer of scale `fromScale` to the canonical decimal(precision, scale); undefined where it is not exactly one.
 *
 * @example
 * rescaledDecimal(3, 10, 2)(12_500n); // '12.50'
 */
export function rescaledDecimal(
  fromScale: number,
  precision: number,
  scale: number,
): (scaled: bigint) => string | undefined {
  const factor = 10n ** BigInt(Math.max(0, scale - fromScale));
  const step = 10n ** BigInt(Math.max(0, fromScale - scale));
  const limit = 10n ** BigInt(precision);
  return (scaled) => {
    if (scaled % step !== 0n) return undefined;
    const units = (scaled / step) * factor;
    return units < limit && units > -limit ? decimalOfScaled(units, scale) : undefined;
  };
}
