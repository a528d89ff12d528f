import { internalBug } from '../errors/millrace-error.ts';

/** The declared checks of a field, folded for the hot path. */
export interface FoldedChecks {
  readonly accepts: ((value: never) => boolean) | null;
  readonly rules: readonly string[];
  /** How a refusal names them: " from 1 to 5", " of 3 characters". Empty where there is nothing to say. */
  readonly wording: string;
}

/** What a field's checks may be declared on. */
export type CheckSubject = 'string' | 'int' | 'double' | 'int64' | 'array';

interface Range<T> {
  low: T | null;
  lowInclusive: boolean;
  high: T | null;
  highInclusive: boolean;
}

type Test = (value: never) => boolean;

interface Folding {
  readonly subject: CheckSubject;
  readonly range: Range<number | bigint>;
  readonly tests: Test[];
  readonly words: string[];
}

/** Of the formats of numbers that their readings do not hold to a range already. */
const INTEGER_RANGES: Readonly<Record<string, readonly [low: number, high: number]>> = {
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
};

/**
 * What the checks of a field come to, of nothing but their canonical texts: a contract that was stored needs no schema to be held to.
 *
 * @throws MillraceError `internal-bug` for a rule that this release does not know
 * @example
 * foldRules(['greater_than or equal -1440', 'less_than or equal 2880'], 'int').wording; // 'from -1440 to 2880'
 */
export function foldRules(rules: readonly string[], subject: CheckSubject): FoldedChecks {
  const range: Range<number | bigint> = { low: null, lowInclusive: true, high: null, highInclusive: true };
  const folding: Folding = { subject, range, tests: [], words: [] };
  for (const rule of rules) fold(rule, folding);
  const bounds = boundsTest(range);
  if (bounds !== null) folding.tests.unshift(bounds);
  const wording = [rangeWording(range), ...folding.words].filter((part) => part !== '').join(', ');
  return { accepts: allOf(folding.tests), rules, wording };
}

function fold(rule: string, into: Folding): void {
  const end = rule.indexOf(' ');
  const name = rule.slice(0, end);
  const rest = rule.slice(end + 1);
  switch (name) {
    case 'greater_than':
    case 'less_than': {
      const isInclusive = rest.startsWith('or equal ');
      narrow(into.range, name, numberOf(isInclusive ? rest.slice('or equal '.length) : rest, into), isInclusive);
      return;
    }
    case 'multiple_of':
      foldMultiple(numberOf(rest, into), into);
      return;
    case 'number_format': {
      // Others are held to their range by their readings; saying so again would only lengthen the refusals.
      const bounds = INTEGER_RANGES[rest];
      if (bounds === undefined) return;
      narrow(into.range, 'greater_than', bounds[0], true);
      narrow(into.range, 'less_than', bounds[1], true);
      return;
    }
    case 'bigint_format':
      return;
    case 'min_length':
    case 'max_length':
    case 'length_equals':
      foldLength(name, Number(rest), into);
      return;
    case 'includes': {
      const [part, position] = JSON.parse(rest) as [string, number];
      into.tests.push((value: string) => value.includes(part, position));
      into.words.push(`including ${JSON.stringify(part)}`);
      return;
    }
    case 'starts_with': {
      const prefix = JSON.parse(rest) as string;
      into.tests.push((value: string) => value.startsWith(prefix));
      into.words.push(`starting with ${JSON.stringify(prefix)}`);
      return;
    }
    case 'ends_with': {
      const suffix = JSON.parse(rest) as string;
      into.tests.push((value: string) => value.endsWith(suffix));
      into.words.push(`ending with ${JSON.stringify(suffix)}`);
      return;
    }
    default:
      foldPattern(name, rest, into);
  }
}

function numberOf(text: string, { subject }: Folding): number | bigint {
  return subject === 'int64' ? BigInt(text) : Number(text);
}

function foldMultiple(step: number | bigint, { tests, words }: Folding): void {
  if (typeof step === 'bigint') tests.push((value: bigint) => step !== 0n && value % step === 0n);
  else tests.push((value: number) => isMultiple(value, step));
  words.push(`a multiple of ${step}`);
}

/** As zod has it: a quotient of two doubles that stand for decimals lies next to the whole number that is meant. */
function isMultiple(value: number, step: number): boolean {
  const ratio = value / step;
  const whole = Math.round(ratio);
  return Math.abs(ratio - whole) < 4 * Number.EPSILON * Math.max(Math.abs(ratio), 1);
}

function foldLength(
  name: 'min_length' | 'max_length' | 'length_equals',
  bound: number,
  { subject, tests, words }: Folding,
): void {
  const low = name === 'max_length' ? null : bound;
  const high = name === 'min_length' ? null : bound;
  // zod counts a string's code points. They are at most the UTF-16 units and at least half of them, so most strings need no count.
  if (subject === 'string') {
    tests.push((value: string) => {
      const units = value.length;
      const sure = (low === null || units >= low * 2) && (high === null || units <= high);
      const length = sure || (low !== null && units < low) ? units : countCodePoints(value);
      return (low === null || length >= low) && (high === null || length <= high);
    });
  } else {
    tests.push(
      (value: readonly unknown[]) => (low === null || value.length >= low) && (high === null || value.length <= high),
    );
  }
  const unit = subject === 'string' ? 'characters' : 'items';
  words.push(
    name === 'length_equals'
      ? `of ${bound} ${unit}`
      : low !== null
        ? `of at least ${bound} ${unit}`
        : `of at most ${bound} ${unit}`,
  );
}

function countCodePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      count -= 1;
      at += 1;
    }
  }
  return count;
}

/** `email /^…$/i`: a format that a pattern decides. */
function foldPattern(format: string, text: string, { tests, words }: Folding): void {
  const end = text.lastIndexOf('/');
  if (format === '' || !text.startsWith('/') || end === 0)
    throw internalBug(`no rule of a field: ${JSON.stringify(`${format} ${text}`)}`);
  const pattern = new RegExp(text.slice(1, end), text.slice(end + 1));
  tests.push((value: string) => {
    // `y` means "at the start" from a fresh lastIndex.
    if (pattern.sticky) pattern.lastIndex = 0;
    return pattern.test(value);
  });
  words.push(format === 'regex' ? `matching ${String(pattern)}` : `in the format ${format}`);
}

function narrow(
  range: Range<number | bigint>,
  side: 'greater_than' | 'less_than',
  value: number | bigint,
  inclusive: boolean,
): void {
  if (side === 'greater_than') {
    if (range.low !== null && (range.low > value || (range.low === value && !range.lowInclusive))) return;
    range.low = value;
    range.lowInclusive = inclusive;
  } else {
    if (range.high !== null && (range.high < value || (range.high === value && !range.highInclusive))) return;
    range.high = value;
    range.highInclusive = inclusive;
  }
}

function boundsTest(range: Range<number | bigint>): Test | null {
  const { low, high, lowInclusive, highInclusive } = range;
  if (low === null && high === null) return null;
  if (low !== null && high !== null && lowInclusive && highInclusive) {
    return (value: number | bigint) => value >= low && value <= high;
  }
  return (value: number | bigint) =>
    (low === null || (lowInclusive ? value >= low : value > low)) &&
    (high === null || (highInclusive ? value <= high : value < high));
}

function rangeWording(range: Range<number | bigint>): string {
  const { low, high, lowInclusive, highInclusive } = range;
  if (low !== null && high !== null && lowInclusive && highInclusive) return `from ${low} to ${high}`;
  const parts: string[] = [];
  if (low !== null) parts.push(`${lowInclusive ? 'of at least' : 'greater than'} ${low}`);
  if (high !== null) parts.push(`${highInclusive ? 'of at most' : 'less than'} ${high}`);
  return parts.join(' and ');
}

function allOf(tests: readonly Test[]): Test | null {
  const [first, second] = tests;
  if (first === undefined) return null;
  if (second === undefined) return first;
  if (tests.length === 2) return (value) => first(value) && second(value);
  return (value) => {
    for (const test of tests) if (!test(value)) return false;
    return true;
  };
}
