import { functionText } from '../code/function-text.ts';
import { hushedReason } from '../contract/hush-reasons.ts';
import { storedField } from '../contract/stored-field.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { describeReceived } from '../values/describe-received.ts';
import { codeDigest } from './code-identity.ts';
import type { SourceCompilation } from './compile-source.ts';
import { kindName } from './compile-source.ts';
import type { CompiledLabelSet, LabelReader } from './compiled-label-set.ts';
import type { Row } from './compiled-view.ts';
import type { DefinitionCode } from './definition-code.ts';
import type { ReportFault } from './definition-fault.ts';
import { durationMicros } from './duration.ts';
import type { LabelScalar, AnyLabelSet } from './label-set.ts';
import { nameFault } from './names.ts';
import { describeThrown } from './prepare.ts';
import { tagOf } from './tag-of.ts';

/** Both logs of a label set, compiled. */
export interface LabelSources {
  readonly decisions: SourceCompilation;
  readonly outcomes: SourceCompilation;
}

const REDUCES: ReadonlySet<unknown> = new Set(['first', 'last', 'sum']);
const ABSENTS: ReadonlySet<unknown> = new Set([0, null, 'leave-out']);

/**
 * Compiles a label set over its sources; its faults go to `report`.
 *
 * @param code null: it was made in memory
 */
export function compileLabelSet(
  { name, options }: AnyLabelSet,
  { decisions, outcomes }: LabelSources,
  code: DefinitionCode | null,
  report: ReportFault,
): CompiledLabelSet {
  const fault = nameFault(name);
  if (fault !== null) report('invalid-name', 'name', fault, 'Use snake_case of at most 40 characters.');
  const matureAfterUs = readDuration('matureAfter', options.matureAfter, report);
  const horizonUs = options.horizon === undefined ? matureAfterUs : readDuration('horizon', options.horizon, report);
  checkRule(options, report);
  checkFunctions(options, report);
  const knownAtField = readKnownAt(options, outcomes, report);
  // A function sees all fields: what it gave, or threw, may tell of any.
  const isHushed = [decisions, outcomes].some(({ source }) => (source.sensitive ?? []).length > 0);
  const joined = readKeys(options, outcomes, isHushed, report);
  const { reduce = 'last', absent, value } = options;
  const rule = { matureAfterUs, absent, knownAtField, isByDecision: joined.isByDecision };
  const fields = [decisions, outcomes].map(({ plans }) => plans.map(storedField));
  return {
    name,
    tag: tagOf({ code: code === null ? functionTexts(options) : codeDigest(code), rule, fields }),
    decisions: decisions.source,
    context: decisions.fields.get('context')?.members.map(({ spec }) => spec) ?? [],
    outcomes: outcomes.source,
    ...joined,
    value: pairReader(value as (d: Row, o: Row) => unknown, isHushed),
    matureAfterUs,
    reduce:
      typeof reduce === 'function'
        ? reducer(name, reduce as (values: readonly LabelScalar[]) => unknown, isHushed)
        : (reduce as 'last'),
    absent,
    horizonUs,
    knownAtField,
  };
}

/** What is told apart where there is no file to read code from. */
function functionTexts({ value, on, reduce = 'last' }: AnyLabelSet['options']) {
  const functions = [value, on?.decision, on?.outcome, reduce];
  return functions.map((part) =>
    typeof part === 'function' ? functionText(part as (...given: never[]) => unknown) : (part ?? null),
  );
}

function readDuration(path: 'matureAfter' | 'horizon', text: unknown, report: ReportFault): number {
  const micros = durationMicros(text);
  if (micros === undefined)
    report(
      'invalid-duration',
      path,
      `${JSON.stringify(text)} is not a duration`,
      "Write a whole number and a unit: '3d', '90m'.",
    );
  return micros ?? 1;
}

function checkRule({ reduce = 'last', absent }: AnyLabelSet['options'], report: ReportFault): void {
  if (typeof reduce !== 'function' && !REDUCES.has(reduce))
    report(
      'invalid-label-rule',
      'reduce',
      `expected 'first', 'last', 'sum' or a function, received ${describeReceived(reduce)}`,
      "Say how several outcomes become one label, or leave it out for the 'last'.",
    );
  if (!ABSENTS.has(absent))
    report(
      'invalid-label-rule',
      'absent',
      `expected 0, null or 'leave-out', received ${describeReceived(absent)}`,
      "Say what it means that nothing came: the label 0, a label that is null, or no row ('leave-out').",
    );
}

function checkFunctions({ value, on }: AnyLabelSet['options'], report: ReportFault): void {
  const parts: [string, unknown][] = [['value', value]];
  if (on !== undefined) parts.push(['on.decision', on?.decision], ['on.outcome', on?.outcome]);
  for (const [path, part] of parts)
    if (typeof part !== 'function')
      report(
        'no-function',
        path,
        `expected a function, received ${describeReceived(part)}`,
        path === 'value'
          ? 'Say what an outcome says of a decision: value: (d, o) => …'
          : 'Say what both sides are joined by: on: { decision: (d) => …, outcome: (o) => … }',
      );
}

/** What an outcome's time of being known is read from. Of `outcomes()` that is `known_at`, unless another is named. */
function readKnownAt(
  { knownAt, outcomes }: AnyLabelSet['options'],
  { fields }: SourceCompilation,
  report: ReportFault,
): string | null {
  if (knownAt === undefined) return saysOutcomes(outcomes) ? 'known_at' : null;
  const plan = fields.get(knownAt);
  if (plan === undefined) {
    const known = [...fields.keys()].join(', ');
    report('unknown-field', 'knownAt', `no field ${JSON.stringify(knownAt)} in the outcomes`, `Name one of: ${known}.`);
    return null;
  }
  if (plan.spec.type.kind === 'timestamp') return knownAt;
  report(
    'wrong-field-type',
    'knownAt',
    `field "${knownAt}" is ${kindName(plan)}, expected a z.iso.datetime() or an epoch(…)`,
    'Name the time since when an outcome could be known, or leave it out: then it is that of its record.',
  );
  return null;
}

function saysOutcomes(outcomes: unknown): boolean {
  return (outcomes as { readonly says?: unknown }).says === 'outcomes';
}

type Keys = Pick<CompiledLabelSet, 'isByDecision' | 'decisionKey' | 'outcomeKey'>;

function readKeys(
  { on }: AnyLabelSet['options'],
  { fields }: SourceCompilation,
  isHushed: boolean,
  report: ReportFault,
): Keys {
  if (on !== undefined)
    return {
      isByDecision: false,
      decisionKey: keyReader('on.decision', on?.decision as (row: Row) => unknown, isHushed),
      outcomeKey: keyReader('on.outcome', on?.outcome as (row: Row) => unknown, isHushed),
    };
  const plan = fields.get('decision_id');
  const remedy = 'Say what both sides are joined by: on: { decision: (d) => …, outcome: (o) => … }.';
  if (plan === undefined)
    report(
      'unknown-field',
      'on',
      'the outcomes have no field "decision_id", and are joined by it unless `on` says by what',
      remedy,
    );
  else if (plan.spec.type.kind !== 'string')
    report('wrong-field-type', 'on', `the outcomes' field "decision_id" is ${kindName(plan)}, expected a text`, remedy);
  return {
    isByDecision: true,
    decisionKey: (row) => (row['shadow_of'] ?? row['decision_id']) as string,
    outcomeKey: (row) => (row['decision_id'] ?? null) as string | null,
  };
}

function keyReader(label: string, read: (row: Row) => unknown, isHushed: boolean): LabelReader<string> {
  const told = toldOf(isHushed);
  return (row, reasons) => {
    try {
      const key = read(row);
      if (key === null || typeof key === 'string') return key;
      reasons.push(told(`${label}: expected a text or null, received ${describeReceived(key)}`));
    } catch (cause) {
      reasons.push(told(`${label}: the function threw ${describeThrown(cause)}`));
    }
    return null;
  };
}

function pairReader(read: (decision: Row, outcome: Row) => unknown, isHushed: boolean): CompiledLabelSet['value'] {
  const told = toldOf(isHushed);
  return (decision, outcome, reasons) => {
    try {
      const value = read(decision, outcome);
      if (value === null || isLabelScalar(value)) return value;
      reasons.push(
        told(`value: expected a finite number, a text, a boolean or null, received ${describeReceived(value)}`),
      );
    } catch (cause) {
      reasons.push(told(`value: the function threw ${describeThrown(cause)}`));
    }
    return null;
  };
}

/** How a reason is told. */
function toldOf(isHushed: boolean): (reason: string) => string {
  return isHushed ? hushedReason : (reason) => reason;
}

/** What a label can be, of what a function of the user's gives. */
export function isLabelScalar(value: unknown): value is LabelScalar {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

function reducer(
  name: string,
  reduce: (values: readonly LabelScalar[]) => unknown,
  isHushed: boolean,
): (values: readonly LabelScalar[]) => LabelScalar | null {
  return (values) => {
    try {
      return reduce(values) as LabelScalar | null;
    } catch (cause) {
      throw new MillraceError(
        'invalid-label',
        `label set "${name}": \`reduce\`${toldOf(isHushed)(` threw ${describeThrown(cause)}`)} on ${values.length} values`,
        {
          remedy: 'Let `reduce` give a finite number, a text, a boolean or null for all values there may be.',
          ...(isHushed ? {} : { cause }),
        },
      );
    }
  };
}
