import { expectedOf } from '../values/expected-words.ts';
import type { FieldType } from '../values/field-type.ts';
import type { Spelling } from '../values/spelling.ts';
import type { FieldPlan } from './field-plan.ts';
import { type CheckSubject, foldRules } from './fold-rules.ts';

/** A field of a contract as plain JSON: all that decoding it takes. */
export interface StoredField {
  readonly name: string;
  readonly type: FieldType;
  readonly nullable: boolean;
  readonly optional: boolean;
  readonly rules: readonly string[];
  readonly spelling: Spelling;
  readonly item: StoredField | null;
  readonly members: readonly StoredField[];
}

const subjects: ReadonlySet<string> = new Set<CheckSubject>(['string', 'int', 'double', 'int64', 'array']);

/** What is stored of a field, and what of it counts for a fingerprint. */
export function storedField(plan: FieldPlan): StoredField {
  const { name, type, nullable, optional } = plan.spec;
  return {
    name,
    type,
    nullable,
    optional,
    rules: plan.rules,
    spelling: plan.spelling,
    item: plan.item && storedField(plan.item),
    members: plan.members.map(storedField),
  };
}

/**
 * The field ready for decoding again, without its schema.
 *
 * @param rules those of `stored`, without any that are not a schema's
 * @throws MillraceError `internal-bug` for a rule that this release does not know
 * @example
 * fieldOf(storedField(plan)); // equal to plan
 */
export function fieldOf(stored: StoredField, rules: readonly string[] = stored.rules): FieldPlan {
  const { name, type, nullable, optional, spelling, item, members } = stored;
  const checks = subjects.has(type.kind)
    ? foldRules(rules, type.kind as CheckSubject)
    : { accepts: null, rules, wording: '' };
  const expected = wordsOf(type, spelling);
  return {
    spec: { name, type, nullable, optional },
    accepts: checks.accepts,
    rules,
    expected: checks.wording === '' ? expected : `${expected} ${checks.wording}`,
    spelling,
    item: item && fieldOf(item),
    members: members.map((member) => fieldOf(member)),
  };
}

function wordsOf(type: FieldType, spelling: Spelling): string {
  if (type.kind === 'array') return 'a list';
  return type.kind === 'object' ? 'an object' : expectedOf(type, spelling);
}
