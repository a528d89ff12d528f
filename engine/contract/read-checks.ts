import { z } from 'zod';

/** The declared checks of a field, folded for the hot path. */
export interface FoldedChecks {
  readonly accepts: ((value: never) => boolean) | null;
  readonly rules: readonly string[];
  /** How a refusal names them: " from 1 to 5", " of 3 characters". Empty where there is nothing to say. */
  readonly wording: string;
}

/** What a field's checks may be declared on. */
export type CheckSubject = 'string' | 'int' | 'double' | 'int64' | 'array';

export type CheckFault = (what: string, remedy: string) => void;

/** String formats that zod decides by a pattern alone; the others run code of zod's own, rewrite their value, or both. */
const patternFormats = new Set(
  'regex lowercase uppercase email guid uuid nanoid cuid cuid2 ulid xid ksuid ipv4 mac cidrv4 e164 duration time emoji'.split(
    ' ',
  ),
);

/** zod gives length checks a condition of its own; any other one is the user's code. */
const builtInConditions = new Set<unknown>(
  [z.minLength(0), z.maxLength(0), z.length(0)].map((check) => check._zod.def.when),
);

interface Range<T> {
  low: T | null;
  lowInclusive: boolean;
  high: T | null;
  highInclusive: boolean;
}

type Test = (value: never) => boolean;

/** Folds zod checks into one predicate, or reports by name those that cannot be honoured for every source format. */
export function readChecks(
  checks: readonly z.core.$ZodCheckDef[],
  subject: CheckSubject,
  fault: CheckFault,
): FoldedChecks {
  const range: Range<number | bigint> = { low: null, lowInclusive: true, high: null, highInclusive: true };
  const tests: Test[] = [];
  const rules: string[] = [];
  const words: string[] = [];
  for (const check of checks) {
    const def = check as z.core.$ZodChecks['_zod']['def'];
    if (def.when !== undefined && !builtInConditions.has(def.when)) {
      fault(
        `a conditional check (\`when\` on ${def.check})`,
        'Drop the condition, or use `where` in the feature view.',
      );
      continue;
    }
    const known = readCheck(def, subject, { range, tests, rules, words });
    if (!known) {
      const custom = (def.check as string) === 'custom';
      fault(
        custom ? 'a custom check (refine, superRefine or check with a function)' : `the check ${checkName(def)}`,
        custom
          ? 'Declare it with zod checks (min, max, length, regex, ...), or use `where` in the feature view.'
          : def.check === 'overwrite'
            ? 'Leave values as they come and rewrite them in a row function.'
            : 'Use min, max, length, regex, startsWith, endsWith, includes or multipleOf.',
      );
    }
  }
  const bounds = boundsTest(range);
  if (bounds !== null) tests.unshift(bounds);
  const wording = [rangeWording(range), ...words].filter((part) => part !== '').join(', ');
  return { accepts: allOf(tests), rules, wording };
}

interface Folding {
  readonly range: Range<number | bigint>;
  readonly tests: Test[];
  readonly rules: string[];
  readonly words: string[];
}

function checkName(def: z.core.$ZodChecks['_zod']['def']): string {
  return 'format' in def ? `${def.check} (${def.format})` : def.check;
}

/** False where the check is not one that can be honoured on this subject. */
function readCheck(def: z.core.$ZodChecks['_zod']['def'], subject: CheckSubject, into: Folding): boolean {
  switch (def.check) {
    case 'greater_than':
    case 'less_than': {
      if (!isNumeric(def.value, subject)) return false;
      narrow(into.range, def.check, def.value, def.inclusive);
      into.rules.push(`${def.check}${def.inclusive ? ' or equal' : ''} ${def.value}`);
      return true;
    }
    case 'multiple_of': {
      const step = def.value;
      if (!isNumeric(step, subject)) return false;
      if (typeof step === 'bigint') into.tests.push((value: bigint) => step !== 0n && value % step === 0n);
      else into.tests.push((value: number) => z.core.util.floatSafeRemainder(value, step) === 0);
      into.rules.push(`multiple_of ${step}`);
      into.words.push(`a multiple of ${step}`);
      return true;
    }
    case 'number_format': {
      if (subject !== 'int' && subject !== 'double') return false;
      const [low, high] = z.core.util.NUMBER_FORMAT_RANGES[def.format];
      // These are held to their range by their readings already; saying so again would only lengthen the refusals.
      if (def.format !== 'safeint' && def.format !== 'float64' && def.format !== 'float32') {
        narrow(into.range, 'greater_than', low, true);
        narrow(into.range, 'less_than', high, true);
      }
      into.rules.push(`number_format ${def.format}`);
      return true;
    }
    case 'bigint_format':
      into.rules.push(`bigint_format ${def.format}`);
      return subject === 'int64' && def.format === 'int64';
    case 'min_length':
    case 'max_length':
    case 'length_equals':
      return (subject === 'string' || subject === 'array') && readLength(def, subject, into);
    case 'string_format':
      return subject === 'string' && readFormat(def, into);
    default:
      return false;
  }
}

function isNumeric(value: z.core.util.Numeric, subject: CheckSubject): value is number | bigint {
  return subject === 'int64' ? typeof value === 'bigint' : subject !== 'string' && typeof value === 'number';
}

function readLength(
  def: z.core.$ZodCheckMinLengthDef | z.core.$ZodCheckMaxLengthDef | z.core.$ZodCheckLengthEqualsDef,
  subject: 'string' | 'array',
  into: Folding,
): boolean {
  const low = def.check === 'min_length' ? def.minimum : def.check === 'length_equals' ? def.length : null;
  const high = def.check === 'max_length' ? def.maximum : def.check === 'length_equals' ? def.length : null;
  // zod counts a string's code points. They are at most the UTF-16 units and at least half of them, so most strings need no count.
  if (subject === 'string') {
    into.tests.push((value: string) => {
      const units = value.length;
      const sure = (low === null || units >= low * 2) && (high === null || units <= high);
      const length = sure || (low !== null && units < low) ? units : countCodePoints(value);
      return (low === null || length >= low) && (high === null || length <= high);
    });
  } else {
    into.tests.push(
      (value: readonly unknown[]) => (low === null || value.length >= low) && (high === null || value.length <= high),
    );
  }
  const unit = subject === 'string' ? 'characters' : 'items';
  into.rules.push(`${def.check} ${low ?? high}`);
  into.words.push(
    def.check === 'length_equals'
      ? `of ${low} ${unit}`
      : low !== null
        ? `of at least ${low} ${unit}`
        : `of at most ${high} ${unit}`,
  );
  return true;
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

function readFormat(def: z.core.$ZodCheckStringFormatDef, into: Folding): boolean {
  const format = def.format;
  if (format === 'includes') {
    const { includes, position } = def as z.core.$ZodCheckIncludesDef;
    into.tests.push((value: string) => value.includes(includes, position));
    into.rules.push(`includes ${JSON.stringify([includes, position ?? 0])}`);
    into.words.push(`including ${JSON.stringify(includes)}`);
    return true;
  }
  if (format === 'starts_with') {
    const { prefix } = def as z.core.$ZodCheckStartsWithDef;
    into.tests.push((value: string) => value.startsWith(prefix));
    into.rules.push(`starts_with ${JSON.stringify(prefix)}`);
    into.words.push(`starting with ${JSON.stringify(prefix)}`);
    return true;
  }
  if (format === 'ends_with') {
    const { suffix } = def as z.core.$ZodCheckEndsWithDef;
    into.tests.push((value: string) => value.endsWith(suffix));
    into.rules.push(`ends_with ${JSON.stringify(suffix)}`);
    into.words.push(`ending with ${JSON.stringify(suffix)}`);
    return true;
  }
  if (!patternFormats.has(format) || def.pattern === undefined) return false;
  // A copy without `g`, so that no state is left in a pattern the user may share; `y` means "at the start" from a fresh lastIndex.
  const pattern = new RegExp(def.pattern.source, def.pattern.flags.replace('g', ''));
  into.tests.push((value: string) => {
    if (pattern.sticky) pattern.lastIndex = 0;
    return pattern.test(value);
  });
  into.rules.push(`${format} ${String(pattern)}`);
  into.words.push(format === 'regex' ? `matching ${String(pattern)}` : `in the format ${format}`);
  return true;
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
