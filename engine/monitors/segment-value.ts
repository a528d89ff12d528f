import { shownText } from './monitored-field.ts';

/**
 * The value of a segment as it is kept: text that every place takes, cut after 100 characters; null belongs to no segment of that name.
 *
 * @example
 * segmentValue(true); // 'true'
 */
export function segmentValue(raw: unknown): string | null {
  if (raw === null || raw === undefined) return null;
  const text = typeof raw === 'object' ? JSON.stringify(raw) : shownText(raw as string | number | boolean | bigint);
  return shownText(text.replaceAll('\0', '\uFFFD').toWellFormed());
}
