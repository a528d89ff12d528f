/** The digits and the exponent of ten of a number's shortest decimal: 0.99 is 99 and -2. */
function shortestDecimal(value: number): { digits: bigint; exponent: number } {
  const [mantissa = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

/**
 * The place of the quantile `q` among n sorted values: floor(q · (n - 1)), 0-based, q being the shortest decimal of the number, exact.
 *
 * @param q 0 to 1
 * @returns of n, a safe integer above 0
 * @example
 * rankOf(0.1)(11); // 1, where 0.1 · 10 in doubles is 1 by luck
 */
export function rankOf(q: number): (n: number) => number {
  const { digits, exponent } = shortestDecimal(q);
  const unit = 10n ** BigInt(-exponent);
  const [over, under] = [Number(digits), Number(unit)];
  const isSmall = Number.isSafeInteger(over) && Number.isSafeInteger(under);
  return (n) => {
    const product = over * (n - 1);
    // The remainder goes first: of safe integers the division is exact then.
    if (isSmall && Number.isSafeInteger(product)) return (product - (product % under)) / under;
    return Number((digits * BigInt(n - 1)) / unit);
  };
}
