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
