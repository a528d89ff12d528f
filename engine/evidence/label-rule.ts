import { MillraceError } from '../errors/millrace-error.ts';
import { compareUtf8 } from '../values/compare.ts';
import { ExactMoments } from './exact-moments.ts';

/** A value that a label can have. */
export type LabelValue = number | string | boolean;

/** What came of a decision, as it was heard. Times are UTC epoch microseconds. */
export interface HeardOutcome<Value extends LabelValue> {
  readonly id: string;
  readonly timeUs: number;
  /** Since when it could be known: its record's broker time, unless the source says otherwise. */
  readonly knownAtUs: number;
  /** What `value: (d, o) => …` makes of it. */
  readonly value: Value;
}

/** How outcomes become a label. */
export interface LabelRule<Value extends LabelValue> {
  /** So long after the decision a label is final. */
  readonly matureAfterUs: number;
  /** Of numbers `sum` too, exact and rounded once. A function is given the values in the order of (time, id), one at least. */
  readonly reduce:
    | 'first'
    | 'last'
    | (Value extends number ? 'sum' : never)
    | ((values: readonly Value[]) => Value | null);
  /** What it means that nothing came: a label of 0 or null, or none. */
  readonly absent: 0 | null | 'leave-out';
}

/** What is to be said of one decision. */
export type Label<Value extends LabelValue> =
  | {
      readonly kind: 'label';
      readonly value: Value | 0 | null;
      /** Of how many outcomes. */
      readonly outcomes: number;
      /** How many were known too late to count. */
      readonly afterMaturity: number;
    }
  /** It is mature, nothing came of it, and such are left out. */
  | { readonly kind: 'left-out'; readonly afterMaturity: number }
  /** What comes of it may still change. */
  | { readonly kind: 'immature' };

/** When a decision's label is final: at or after it, later outcomes change nothing. */
export function matureAtUs(decisionTimeUs: number, { matureAfterUs }: { readonly matureAfterUs: number }): number {
  return decisionTimeUs + matureAfterUs;
}

/**
 * The label of a decision, as known at `asOfUs`: of its outcomes that were known by `decision + matureAfter`, in the order of (time, id). It is the same
 * at every later `asOf`, but for how many came too late. Throws `invalid-label` where it is no finite number, text, boolean or null: a sum beyond all doubles,
 * or what a function gave.
 *
 * @param outcomes of this decision alone, in any order; an id counts once, as it was known first
 * @param asOfUs at most `latestAsOfUs`: all that was known by then must be among `outcomes`
 * @example
 * labelOf(decidedAt, outcomes, { matureAfterUs: 3 * 86_400_000_000, reduce: 'last', absent: 0 }, asOf);
 */
export function labelOf<Value extends LabelValue>(
  decisionTimeUs: number,
  outcomes: Iterable<HeardOutcome<Value>>,
  rule: LabelRule<Value>,
  asOfUs: number,
): Label<Value> {
  const matureUs = matureAtUs(decisionTimeUs, rule);
  if (matureUs > asOfUs) return { kind: 'immature' };
  const heard = new Map<string, HeardOutcome<Value>>();
  for (const outcome of outcomes) {
    const before = heard.get(outcome.id);
    if (before === undefined || isKnownBefore(outcome, before)) heard.set(outcome.id, outcome);
  }
  const inTime = [...heard.values()].filter(({ knownAtUs }) => knownAtUs <= matureUs);
  // What was known later than `asOf` may be there or not: it must not show.
  const known = [...heard.values()].filter(({ knownAtUs }) => knownAtUs <= asOfUs).length;
  const afterMaturity = known - inTime.length;
  if (inTime.length === 0)
    return rule.absent === 'leave-out'
      ? { kind: 'left-out', afterMaturity }
      : { kind: 'label', value: rule.absent, outcomes: 0, afterMaturity };
  inTime.sort((a, b) => a.timeUs - b.timeUs || compareUtf8(a.id, b.id));
  const values = inTime.map(({ value }) => value);
  const value = reduced(values, rule.reduce);
  if (!isLabelValue(value)) throw invalidLabel(value, decisionTimeUs, values.length);
  return { kind: 'label', value: value === 0 ? 0 : value, outcomes: values.length, afterMaturity };
}

/** Of one id said twice the one known first; of two known at once the earlier, so that the order of the log does not matter. */
function isKnownBefore(a: HeardOutcome<LabelValue>, b: HeardOutcome<LabelValue>): boolean {
  if (a.knownAtUs !== b.knownAtUs) return a.knownAtUs < b.knownAtUs;
  if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs;
  return compareUtf8(JSON.stringify(a.value), JSON.stringify(b.value)) < 0;
}

function reduced<Value extends LabelValue>(values: readonly Value[], reduce: LabelRule<Value>['reduce']): Value | null {
  if (reduce === 'first') return values[0]!;
  if (reduce === 'last') return values.at(-1)!;
  if (typeof reduce === 'function') return reduce(values);
  return exactSum(values as readonly number[]) as Value;
}

/** What a user's function gives may be of any type. */
function isLabelValue(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function invalidLabel(value: unknown, decisionTimeUs: number, outcomes: number): MillraceError {
  return new MillraceError(
    'invalid-label',
    `the label of a decision at ${decisionTimeUs} µs, of ${outcomes} outcomes: expected a finite number, a text, a boolean or null; received ${String(value)}`,
    {
      remedy: 'Let `reduce` give one of these for all outcomes there may be; a sum must fit a double.',
      details: { decisionTimeUs, outcomes, received: String(value) },
    },
  );
}

function exactSum(values: readonly number[]): number {
  const moments = new ExactMoments();
  for (const value of values) moments.add(value);
  return moments.sum();
}
