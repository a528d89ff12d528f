/** 1234.56 → "1,235"; 0.012345 → "0.0123". */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(2);
  if (size >= 100) return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
  return String(Number(value.toPrecision(3)));
}

/** 0.1234 → "12.3 %". */
export function percent(share: number): string {
  // What is not all must not look like all.
  const shown = (100 * share).toFixed(1);
  if (shown === '100.0' && share < 1) return '99.9 %';
  return shown === '0.0' && share > 0 ? '0.1 %' : `${shown} %`;
}
