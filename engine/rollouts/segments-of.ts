/**
 * The segments that a decision belongs to: per field of its context `field=value`. A value that is missing is a segment too.
 *
 * @example
 * segmentsOf({ origin: 'LAS', hour: 7 }, ['origin']); // ['origin=LAS']
 */
export function segmentsOf(context: Readonly<Record<string, unknown>>, fields: readonly string[]): string[] {
  return fields.map((field) => `${field}=${textOf(context[field] ?? null)}`);
}

/** The field of a segment. */
export function fieldOf(segment: string): string {
  return segment.slice(0, segment.indexOf('='));
}

/** Whether a decision of such a context belongs to a segment. */
export function isInSegment(segment: string, context: Readonly<Record<string, unknown>>): boolean {
  return segmentsOf(context, [fieldOf(segment)])[0] === segment;
}

function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each));
}
