import type { ColumnType } from './column-type.ts';
import type { Convert } from './convert.ts';

/** What is known of a text before it is looked at: nothing, that it is well-formed Unicode, or that it has no NUL either. */
export type TextTrust = 'none' | 'well-formed' | 'storable';

/** Text every store can hold: well-formed Unicode without NUL (Postgres has no place for either). */
export function storableText(trust: TextTrust): Convert {
  switch (trust) {
    case 'none':
      return (raw) => (typeof raw === 'string' && raw.isWellFormed() && !raw.includes('\0') ? raw : undefined);
    case 'well-formed':
      return (raw) => (typeof raw === 'string' && !raw.includes('\0') ? raw : undefined);
    case 'storable':
      return (raw) => (typeof raw === 'string' ? raw : undefined);
  }
}

/** What to say of a text that is refused. */
export function stringAdvice(raw: unknown): string {
  if (typeof raw !== 'string') return '';
  if (raw.includes('\0')) return 'no store holds a NUL in text';
  return raw.isWellFormed() ? '' : 'half a surrogate pair is no text';
}

/** A text that is one of an enum's. */
export function enumValue(values: readonly string[]): Convert {
  const known = new Set<unknown>(values);
  return (raw) => (known.has(raw) ? raw : undefined);
}

export function typedBoolean(form: ColumnType): Convert | null {
  return form.kind === 'boolean' ? (raw) => (typeof raw === 'boolean' ? raw : undefined) : null;
}

const booleanTexts = new Map<unknown, boolean>(
  (['true', 'True', 'TRUE', 'false', 'False', 'FALSE'] as const).map((text) => [text, text.toLowerCase() === 'true']),
);

/** A boolean in text, as JSON, Python and R print it. */
export const textBoolean: Convert = (raw) => booleanTexts.get(raw);

export function booleanAdvice(raw: unknown): string {
  return typeof raw === 'string' ? 'in text it is written true or false' : '';
}
