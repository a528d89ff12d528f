import { MillraceError } from '../errors/millrace-error.ts';
import { compareUtf8 } from '../values/compare.ts';

/** So many values of a field have a row of their own; the rest have one together. */
export const MOST_SEGMENTS = 20;

/** What is no field of the context and can be asked for all the same. */
const OWN = ['unit', 'action', 'variant', 'stage', 'day'] as const;

/** Told of a decision for a field that it does not have. */
const NONE = '(none)';

type Row = Readonly<Record<string, unknown>>;

/**
 * Reads the values of the fields that are asked for. A field of the context goes before one of the decision; its parts are named by points, as `place.origin`.
 *
 * @throws MillraceError (of a row) `unknown-segment` where the contract of the context has no such field
 */
export function segmentReader(fields: readonly string[]): (row: Row, timeUs: number) => readonly string[] {
  return (row, timeUs) => fields.map((field) => valueOf(field, row, timeUs));
}

function valueOf(field: string, row: Row, timeUs: number): string {
  const context = row['context'] as Row;
  const parts = field.split('.');
  if (Object.hasOwn(context, parts[0]!)) {
    let value: unknown = context;
    for (const part of parts) value = isRow(value) && Object.hasOwn(value, part) ? value[part] : null;
    return textOf(value);
  }
  if (field === 'day') return new Date(Math.floor(timeUs / 1000)).toISOString().slice(0, 10);
  if ((OWN as readonly string[]).includes(field)) return textOf(row[field]);
  throw unknownSegment(field, Object.keys(context));
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return NONE;
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return value.toString();
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one));
}

/** What values are told of: those with the most rows, most first; how many the others are. */
export interface LargestSegments {
  readonly named: readonly string[];
  readonly others: number;
}

/** The values with the most rows; of as many rows, in the order of their bytes. */
export function largestSegments(values: Iterable<string>): LargestSegments {
  const rows = new Map<string, number>();
  for (const value of values) rows.set(value, (rows.get(value) ?? 0) + 1);
  const inOrder = [...rows].sort(([a, m], [b, n]) => n - m || compareUtf8(a, b)).map(([value]) => value);
  return { named: inOrder.slice(0, MOST_SEGMENTS), others: Math.max(0, inOrder.length - MOST_SEGMENTS) };
}

function unknownSegment(field: string, known: readonly string[]): MillraceError {
  return new MillraceError(
    'unknown-segment',
    `segment "${field}": no such field in the context of decisions; it has: ${known.join(', ') || 'none'}`,
    {
      remedy: `Name a field of the context, or one of ${OWN.join(', ')}.`,
      httpStatus: 404,
      details: { field, known },
    },
  );
}
