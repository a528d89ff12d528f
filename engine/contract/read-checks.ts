import { z } from 'zod';
import { type CheckSubject, type FoldedChecks, foldRules } from './fold-rules.ts';

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

/** Folds zod checks into one predicate, or reports by name those that cannot be honoured for every source format. */
export function readChecks(
  checks: readonly z.core.$ZodCheckDef[],
  subject: CheckSubject,
  fault: CheckFault,
): FoldedChecks {
  const rules: string[] = [];
  for (const check of checks) {
    const def = check as z.core.$ZodChecks['_zod']['def'];
    if (def.when !== undefined && !builtInConditions.has(def.when)) {
      fault(
        `a conditional check (\`when\` on ${def.check})`,
        'Drop the condition, or use `where` in the feature view.',
      );
      continue;
    }
    const rule = ruleOf(def, subject);
    if (rule !== null) rules.push(rule);
    else {
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
  return foldRules(rules, subject);
}

function checkName(def: z.core.$ZodChecks['_zod']['def']): string {
  return 'format' in def ? `${def.check} (${def.format})` : def.check;
}

/** A check as canonical text, which says all of it; null where it is not one that can be honoured on this subject. */
function ruleOf(def: z.core.$ZodChecks['_zod']['def'], subject: CheckSubject): string | null {
  switch (def.check) {
    case 'greater_than':
    case 'less_than':
      return isNumeric(def.value, subject) ? `${def.check}${def.inclusive ? ' or equal' : ''} ${def.value}` : null;
    case 'multiple_of':
      return isNumeric(def.value, subject) ? `multiple_of ${def.value}` : null;
    case 'number_format':
      return subject === 'int' || subject === 'double' ? `number_format ${def.format}` : null;
    case 'bigint_format':
      return subject === 'int64' && def.format === 'int64' ? 'bigint_format int64' : null;
    case 'min_length':
      return hasLength(subject) ? `min_length ${def.minimum}` : null;
    case 'max_length':
      return hasLength(subject) ? `max_length ${def.maximum}` : null;
    case 'length_equals':
      return hasLength(subject) ? `length_equals ${def.length}` : null;
    case 'string_format':
      return subject === 'string' ? formatRule(def) : null;
    default:
      return null;
  }
}

function hasLength(subject: CheckSubject): boolean {
  return subject === 'string' || subject === 'array';
}

function isNumeric(value: z.core.util.Numeric, subject: CheckSubject): value is number | bigint {
  return subject === 'int64' ? typeof value === 'bigint' : subject !== 'string' && typeof value === 'number';
}

function formatRule(def: z.core.$ZodCheckStringFormatDef): string | null {
  const { format } = def;
  if (format === 'includes') {
    const { includes, position } = def as z.core.$ZodCheckIncludesDef;
    return `includes ${JSON.stringify([includes, position ?? 0])}`;
  }
  if (format === 'starts_with') return `starts_with ${JSON.stringify((def as z.core.$ZodCheckStartsWithDef).prefix)}`;
  if (format === 'ends_with') return `ends_with ${JSON.stringify((def as z.core.$ZodCheckEndsWithDef).suffix)}`;
  if (!patternFormats.has(format) || def.pattern === undefined) return null;
  // Without `g`, so that no state is left in a pattern the user may share.
  return `${format} ${String(new RegExp(def.pattern.source, def.pattern.flags.replace('g', '')))}`;
}
