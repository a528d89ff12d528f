import { type Given, invalid, isRecord, show } from '../json-input.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** A length of time in ms: a whole number, which may be 0, and a unit, as `1d`. Throws `invalid-input`. */
export function durationMs(given: Given, name: string, otherwise: string, what = name): number {
  const value = given[name] ?? otherwise;
  const match = typeof value === 'string' ? /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(value) : null;
  if (match === null) throw invalid(`"${what}" must be a length of time like "1d" or "90s", received ${show(value)}`);
  return Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
}

/** A number from `least` to `most`; `otherwise` where it is not given. Throws `invalid-input`. */
export function numberOf(
  given: Given,
  name: string,
  { least, most = Number.MAX_VALUE }: { readonly least: number; readonly most?: number },
  otherwise: number | undefined,
  what = name,
): number {
  const value = given[name] ?? otherwise;
  if (typeof value === 'number' && value >= least && value <= most) return value;
  const range = most === Number.MAX_VALUE ? `of at least ${least}` : `from ${least} to ${most}`;
  throw invalid(`"${what}" must be a number ${range}, received ${show(value)}`);
}

/** One of some words; `otherwise` where it is not given. Throws `invalid-input`. */
export function oneOf<Word extends string>(
  given: Given,
  name: string,
  words: readonly Word[],
  otherwise: Word | undefined,
  what = name,
): Word {
  const value = given[name] ?? otherwise;
  const word = words.find((known) => known === value);
  if (word !== undefined) return word;
  throw invalid(`"${what}" must be one of ${words.map((known) => `"${known}"`).join(', ')}, received ${show(value)}`);
}

/** A list of texts, each once; empty where it is not given. Throws `invalid-input`. */
export function textsOf(given: Given, name: string): string[] {
  const value = given[name] ?? [];
  if (Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== ''))
    return [...new Set(value)];
  throw invalid(`"${name}" must be a list of texts, received ${show(value)}`);
}

/** A list of objects; `otherwise` where it is not given. Throws `invalid-input`. */
export function objectsOf(given: Given, name: string, otherwise: readonly Given[]): readonly Given[] {
  const value = given[name] ?? otherwise;
  if (Array.isArray(value) && value.every(isRecord)) return value;
  throw invalid(`"${name}" must be a list of objects, received ${show(value)}`);
}
