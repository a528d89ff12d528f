import { describeReceived } from '../values/describe-received.ts';
import type { ScalarType } from '../values/field-type.ts';
import { canBeKey } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Feature } from './feature.ts';
import { type AggregateName, DEFAULT_LIMIT, MOST_LISTED, MOST_VALUES } from './view-layout.ts';

/** Whether an aggregate has a limit on its distinct values. */
export function isLimited(aggregate: AggregateName): boolean {
  return aggregate === 'distinct' || aggregate === 'topK' || aggregate === 'histogram';
}

/** Whether what an aggregate is told beside its inputs is what it takes; reports what is not. */
export function checkOptions(
  { aggregate, size, distinct, limit }: Feature,
  path: string,
  report: ReportFault,
): boolean {
  if (isLimited(aggregate)) {
    const most = limit ?? DEFAULT_LIMIT;
    const example = `f.${aggregate}('field', ${aggregate === 'topK' ? '5, ' : ''}{ limit: 100 })`;
    return (
      checkWhole(most, { code: 'wrong-limit', name: 'limit', path, most: MOST_VALUES, report, example }) &&
      (aggregate !== 'topK' ||
        checkWhole(size, { code: 'wrong-aggregate-option', name: 'k', path, most, report, example }))
    );
  }
  if (aggregate !== 'firstN' && aggregate !== 'lastN') return true;
  const example = `f.${aggregate}('field', 5)`;
  return (
    checkWhole(size, { code: 'wrong-aggregate-option', name: 'n', path, most: MOST_LISTED, report, example }) &&
    checkFlag(distinct, 'distinct', path, report)
  );
}

/** A number that an aggregate is given: how messages name it, its bound, and where it stands. */
interface WholeOption {
  readonly code: 'wrong-limit' | 'wrong-aggregate-option';
  readonly name: string;
  readonly path: string;
  readonly most: number;
  readonly report: ReportFault;
  readonly example: string;
}

/** Whether an option of an aggregate is a whole number from 1 to its bound; reports it where not. */
export function checkWhole(value: unknown, { code, name, path, most, report, example }: WholeOption): value is number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return true;
  report(
    code,
    `${path}.${name}`,
    `expected a whole number from 1 to ${most}, received ${describeReceived(value)}`,
    `Give it as a number, e.g. ${example}.`,
  );
  return false;
}

/** Whether an option of an aggregate is true or false; reports it where not. */
function checkFlag(value: unknown, name: string, path: string, report: ReportFault): value is boolean {
  if (typeof value === 'boolean') return true;
  report(
    'wrong-aggregate-option',
    `${path}.${name}`,
    `expected true or false, received ${describeReceived(value)}`,
    `Write { ${name}: true }, or leave it out.`,
  );
  return false;
}

/** What of a plan decides how much it holds. */
interface DividedPlan {
  readonly by: { readonly limit: number } | null;
  readonly size: number | undefined;
  readonly limit: number | undefined;
  readonly hashes?: number | undefined;
}

/** A state is one row, written anew with its events: what one tile of a feature may hold, each category what its aggregate may. */
const MOST_DIVIDED = 1_000_000;

/** Whether a divided feature's categories and what each may hold are not too many together; reports it where they are. */
export function checkDivided({ by, size, limit, hashes }: DividedPlan, path: string, report: ReportFault): boolean {
  const each = size ?? limit ?? hashes ?? 1;
  if (by === null || by.limit * each <= MOST_DIVIDED) return true;
  report(
    'wrong-limit',
    `${path}.by.limit`,
    `${by.limit} categories of ${each} values each are up to ${by.limit * each} in one tile, at most ${MOST_DIVIDED} are allowed: a state is one row, written anew with its events`,
    'Lower the limit of the categories, or what each may hold.',
  );
  return false;
}

/** Whether what a histogram counts can be the key of a map; reports it where not. */
export function checkKey({ input }: Feature, type: ScalarType, path: string, report: ReportFault): boolean {
  if (canBeKey(type)) return true;
  const named = typeof input === 'string' ? `field "${input}"` : 'the function';
  report(
    'wrong-input-type',
    path,
    `histogram counts what can be the key of a map, but ${named} is ${nameOfType(type)}`,
    'Use topK or distinct; or a function that gives a text, an enum, an int, an int64, a boolean or a date, with { type }.',
  );
  return false;
}
