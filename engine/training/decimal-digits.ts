/** A number as its significant digits and the power of ten of the last of them. */
export interface DecimalDigits {
  readonly digits: string;
  readonly exponent: number;
}

const NUMBER = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The digits of a number as JSON, or JavaScript, writes it; the same for the same value, however it is written (its sign apart). Zero has none.
 *
 * @example
 * digitsOf('-12.50'); // { digits: '125', exponent: -1 }
 */
export function digitsOf(text: string): DecimalDigits {
  const [, whole = '', fraction = '', power = '0'] = NUMBER.exec(text) ?? [];
  const all = `${whole}${fraction}`.replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return { digits, exponent: 0 };
  return { digits, exponent: Number(power) - fraction.length + (all.length - digits.length) };
}

/**
 * Whether the double nearest to a number is that number to all who read it: it prints with the same digits.
 *
 * @example
 * isDoubleText('0.1'); // true
 * isDoubleText('12345678901234567890'); // false: the double nearest prints 12345678901234567000
 */
export function isDoubleText(text: string): boolean {
  const double = Number(text);
  if (!Number.isFinite(double)) return false;
  const [written, printed] = [digitsOf(text), digitsOf(String(double))];
  return written.digits === printed.digits && written.exponent === printed.exponent;
}
