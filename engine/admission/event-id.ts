/**
 * The text an event id is compared by: strings and enums as they are, ints and int64 in decimal; null where the row has none.
 * `eventId` is a field of one of these kinds (checked when definitions are compiled).
 */
export function eventIdText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'bigint' ? value.toString() : null;
}
