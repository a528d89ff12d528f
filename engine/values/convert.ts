/** Turns a raw, non-null value into a row value of one type; undefined where it is not of it. Declared checks come after. */
export type Convert = (raw: unknown) => unknown;

/** How a door reads a type's values: one of the two readings, made ready. */
export interface Reading {
  /** What is expected, as refusals say it: "an integer". */
  readonly expected: string;
  readonly convert: Convert;
  /** A refused raw value as refusals show it. */
  readonly received: (raw: unknown) => string;
  /** What to do about a value `convert` refuses; '' where there is nothing to add. */
  readonly advice: (raw: unknown) => string;
}

/**
 * The words of a refusal, the same at every door.
 *
 * @param expected where it says more than the reading knows: the checks declared on a field.
 * @example
 * refusal(textReading({ kind: 'int' }), 'x'); // 'expected an integer, received "x"'
 */
export function refusal(reading: Reading, raw: unknown, expected = reading.expected): string {
  const isOfType = raw !== null && raw !== undefined && reading.convert(raw) !== undefined;
  const advice = isOfType || raw === null || raw === undefined ? '' : reading.advice(raw);
  return `expected ${expected}, received ${reading.received(raw)}${advice === '' ? '' : `; ${advice}`}`;
}
