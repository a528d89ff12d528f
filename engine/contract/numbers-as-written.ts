/** What has, or may have, more digits than a double. */
const LONG_NUMBER = /\d{16}/;
const LONG_INTEGER = /^-?\d{16,}$/;

/**
 * Reasons with numbers as the text writes them: parsed, one beyond 2^53 shows digits that nobody sent. For refusals alone: the text is
 * parsed once more.
 *
 * @example
 * numbersAsWritten('{"id":1524831183200260097}', ['id: expected …, received 1524831183200260000; …']); // … received 1524831183200260097; …
 */
export function numbersAsWritten(text: string, reasons: readonly string[]): readonly string[] {
  if (!LONG_NUMBER.test(text)) return reasons;
  const written = new Map<string, string>();
  const note = (_: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined || !LONG_INTEGER.test(source)) return value;
    const shown = String(value);
    const known = written.get(shown) ?? source;
    // Two numbers that look alike once parsed: which of them a reason is about is not known here.
    written.set(shown, known === source ? source : shown);
    return value;
  };
  try {
    JSON.parse(text, note);
  } catch (error) {
    // With a reviver it recurses: what is nested too deeply for that has its reasons as they are.
    if (error instanceof RangeError) return reasons;
    throw error;
  }
  return reasons.map((reason) =>
    reason.replace(/, received (-?\d[\d.e+-]*)(?=$|;)/, (whole, shown: string) => {
      const source = written.get(shown);
      return source === undefined ? whole : `, received ${source}`;
    }),
  );
}
