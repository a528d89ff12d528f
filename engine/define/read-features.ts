import type { z } from 'zod';
import type { FieldPlan } from '../contract/field-plan.ts';
import type { FieldType, ScalarType } from '../values/field-type.ts';
import { readField } from '../contract/read-schema.ts';
import { nameOfType } from '../values/type-name.ts';
import { underTraps } from '../purity/purity-traps.ts';
import type { SourceCompilation } from './compile-source.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Feature, RowFunction } from './feature.ts';
import type { FeatureView } from './feature-view.ts';
import { columnNameFault } from './names.ts';
import type { JsonTree } from '../values/json-values.ts';
import { canBeKey, type ResultType } from '../values/result-type.ts';
import { checkDivided, checkKey, checkOptions, checkWhole, isLimited } from './aggregate-options.ts';
import { readDefault } from './read-default.ts';
import { readSketch, type SketchPlan } from './read-sketch.ts';
import { readWindow, type Window } from './read-window.ts';
import { type AggregateName, DEFAULT_LIMIT, MOST_VALUES, type PartialKind, type SlotLayout } from './view-layout.ts';

/** Where a value comes from, and its type. */
export interface InputPlan {
  readonly type: ScalarType;
  readonly from: string | RowFunction;
}

/** A feature judged and resolved. */
export interface FeaturePlan extends Window, SketchPlan {
  readonly name: string;
  readonly aggregate: AggregateName;
  readonly partial: PartialKind;
  /** Null for `count()`. */
  readonly input: InputPlan | null;
  /** Of `minBy` and `maxBy`, the y they order events by. */
  readonly order: InputPlan | null;
  /** What `.by` divides its events by, and how many categories a window may have. */
  readonly by: (InputPlan & { readonly limit: number }) | null;
  /** Its own `where`. */
  readonly condition: RowFunction | null;
  readonly result: ResultType;
  readonly population: boolean;
  /** Of `firstN` and `lastN`. */
  readonly size: number | undefined;
  /** Of `topK`: k. */
  readonly top: number | undefined;
  /** Of `distinct`, `topK` and `histogram`. */
  readonly limit: number | undefined;
  readonly distinct: boolean;
  /** What stands in place of null, as the layout has it. */
  readonly fill: NonNullable<JsonTree> | undefined;
}

const partialOf = {
  count: 'count',
  sum: 'sum',
  avg: 'sum',
  min: 'min',
  max: 'max',
  first: 'first',
  last: 'last',
  minBy: 'minBy',
  maxBy: 'maxBy',
  variance: 'moments',
  stddev: 'moments',
  firstN: 'firstN',
  lastN: 'lastN',
  quantiles: 'quantiles',
  median: 'quantiles',
  distinct: 'values',
  topK: 'counts',
  histogram: 'counts',
  approxDistinct: 'approxDistinct',
} as const satisfies Record<AggregateName, PartialKind>;

const numericKinds = new Set(['int', 'int64', 'decimal', 'double']);

const TEXT: ScalarType = { kind: 'string' };

/** A scalar type, or null for lists and objects. */
export function scalarOf(type: FieldType): ScalarType | null {
  return type.kind === 'array' || type.kind === 'object' ? null : type;
}

/** What the user's `features` returns; null where it threw or is impure: it decides values as row functions do. */
function buildFeatures(view: FeatureView, report: ReportFault): { readonly built: unknown } | null {
  return underTraps((traps) => {
    let built: unknown;
    let thrown: string | null = null;
    try {
      built = view.build();
    } catch (cause) {
      thrown = `the function threw ${String(cause)}`;
    }
    const [touched] = traps.take();
    if (touched !== undefined) {
      report('impure-function', 'features', `the function is impure: it uses ${touched.label}`, touched.remedy);
      return null;
    }
    if (thrown === null) return { built };
    report('features-failed', 'features', thrown, 'Return an object of features built with `f`.');
    return null;
  });
}

/** Builds and judges the features of a view. */
export function readFeatures(
  view: FeatureView,
  source: SourceCompilation,
  keys: readonly string[],
  report: ReportFault,
  known?: KnownInputs,
): FeaturePlan[] {
  const answer = buildFeatures(view, report);
  if (answer === null) return [];
  const { built } = answer;
  if (typeof built !== 'object' || built === null || Object.keys(built).length === 0) {
    report(
      'no-features',
      'features',
      'the function returned no features',
      'Return an object of features built with `f`.',
    );
    return [];
  }
  const plans: FeaturePlan[] = [];
  for (const [name, feature] of Object.entries(built as Readonly<Record<string, Feature>>)) {
    const path = `features.${name}`;
    const fault = columnNameFault(name);
    if (fault !== null)
      report(fault.code, path, fault.message, 'Use another name: snake_case, at most 40 characters, not reserved.');
    if (keys.includes(name)) {
      report('duplicate-name', path, `"${name}" is a join key of the entity`, 'Use another name for the feature.');
    }
    if (feature?.kind !== 'feature') {
      report('no-feature', path, 'is not a feature', 'Build it with `f`, e.g. f.count().over("1d").');
      continue;
    }
    const plan = readFeature(name, feature, source, { path, report, known: known?.get(name) });
    if (plan !== null) plans.push({ ...plan, fill: readDefault(feature, plan.result, path, report) });
  }
  return plans;
}

/** By feature: what its functions give, and what it is, where their schemas were read before. */
export type KnownInputs = ReadonlyMap<string, KnownInput>;

export interface KnownInput extends Pick<SlotLayout, 'input' | 'order' | 'by'> {
  readonly result: ResultType;
}

interface Reading {
  readonly path: string;
  readonly report: ReportFault;
  readonly known: Pick<SlotLayout, 'input' | 'order' | 'by'> | undefined;
}

function readFeature(
  name: string,
  feature: Feature,
  source: SourceCompilation,
  { path, report, known }: Reading,
): FeaturePlan | null {
  const window = readWindow(feature, path, report);
  const { aggregate } = feature;
  checkModifiers(feature, path, report);
  const by = readCategories(feature, source, { path: `${path}.by`, report, known });
  if (by === undefined) return null;
  if (feature.input === null) {
    if (aggregate === 'count') return plan(name, feature, { input: null, order: null, by }, window);
    report('no-input', path, `${aggregate} has no input`, `Name a field or give a function: f.${aggregate}('field').`);
    return null;
  }
  const type = knownType(feature.input, known?.input) ?? inputType(feature.input, feature.type, source, path, report);
  if (type === null) return null;
  const isOrdered = aggregate === 'minBy' || aggregate === 'maxBy';
  const order = isOrdered ? readOrder(feature, source, { path: `${path}.order`, report, known }) : null;
  if (isOrdered && order === null) return null;
  if (!checkOptions(feature, path, report)) return null;
  if (takesNumbers(aggregate) && !numericKinds.has(type.kind)) {
    const input = typeof feature.input === 'string' ? `field "${feature.input}"` : 'the function';
    report(
      'wrong-input-type',
      path,
      `${aggregate} takes numbers, but ${input} is ${nameOfType(type)}`,
      'Use min, max, first, last or count, or a numeric field.',
    );
    return null;
  }
  if (aggregate === 'histogram' && !checkKey(feature, type, path, report)) return null;
  const sketch = readSketch(feature, path, report);
  if (sketch === null) return null;
  const made = { ...plan(name, feature, { input: { type, from: feature.input }, order, by }, window), ...sketch };
  return checkDivided(made, path, report) ? made : null;
}

function checkModifiers({ repeated, condition }: Feature, path: string, report: ReportFault): void {
  for (const name of new Set(repeated)) {
    report(
      'repeated-modifier',
      `${path}.${name}`,
      `.${name}(...) is given more than once`,
      'Give it once: the last would hide the others.',
    );
  }
  const given: unknown = condition;
  if (given === null || typeof given === 'function') return;
  report('no-function', `${path}.where`, `expected a function, received ${typeof given}`, 'Write .where((e) => ...).');
}

function takesNumbers(aggregate: AggregateName): boolean {
  const partial = partialOf[aggregate];
  return partial === 'sum' || partial === 'moments' || partial === 'quantiles';
}

function readOrder(feature: Feature, source: SourceCompilation, { path, report, known }: Reading): InputPlan | null {
  const { aggregate, order, orderType } = feature;
  if (order === null) {
    report(
      'no-input',
      path,
      `${aggregate} has nothing to order events by`,
      `Name a second field or give a second function: f.${aggregate}('field', 'other').`,
    );
    return null;
  }
  const type = knownType(order, known?.order) ?? inputType(order, orderType, source, path, report);
  return type === null ? null : { type, from: order };
}

/** What `.by` was given; null where it was not, undefined after a fault. */
function readCategories(
  { categories }: Feature,
  source: SourceCompilation,
  { path, report, known }: Reading,
): FeaturePlan['by'] | undefined {
  if (categories === null) return null;
  const { input, type: declared, limit } = categories;
  const isFunction = typeof input === 'function';
  const type =
    knownType(input, known?.by?.type) ??
    (isFunction && declared === null ? TEXT : inputType(input, declared, source, path, report));
  if (type === null) return undefined;
  if (!canBeKey(type)) {
    report(
      'wrong-input-type',
      path,
      `a category is text, an enum, an integer, a boolean or a date, but ${isFunction ? 'the function' : `field "${input}"`} is ${nameOfType(type)}`,
      'Give a function that makes one of it: .by((e) => ...).',
    );
    return undefined;
  }
  const most = limit ?? DEFAULT_LIMIT;
  const example = ".by('field', { limit: 100 })";
  if (!checkWhole(most, { code: 'wrong-limit', name: 'limit', path, most: MOST_VALUES, report, example }))
    return undefined;
  return { type, from: input, limit: most };
}

/** A field's type is its field's, whatever is known. */
function knownType(input: string | RowFunction, known: ScalarType | null | undefined): ScalarType | null {
  return typeof input === 'function' ? (known ?? null) : null;
}

function plan(
  name: string,
  feature: Feature,
  inputs: Pick<FeaturePlan, 'input' | 'order' | 'by'>,
  window: Window,
): FeaturePlan {
  const { aggregate } = feature;
  return {
    name,
    aggregate,
    partial: partialOf[aggregate],
    ...inputs,
    condition: typeof feature.condition === 'function' ? feature.condition : null,
    ...window,
    result: dividedType(resultType(aggregate, inputs.input?.type ?? null), inputs.by),
    population: partialOf[aggregate] === 'moments' && feature.population,
    size: aggregate === 'topK' ? undefined : (feature.size ?? undefined),
    top: aggregate === 'topK' ? (feature.size ?? undefined) : undefined,
    limit: isLimited(aggregate) ? (feature.limit ?? DEFAULT_LIMIT) : undefined,
    distinct: feature.distinct,
    fill: undefined,
  };
}

function dividedType(value: ResultType, by: InputPlan | null): ResultType {
  return by === null ? value : { kind: 'map', key: by.type, value };
}

function resultType(aggregate: AggregateName, input: ScalarType | null): ResultType {
  if (aggregate === 'count' || aggregate === 'approxDistinct' || input === null) return { kind: 'int' };
  if (aggregate === 'quantiles') return { kind: 'list', item: { kind: 'double' } };
  if (aggregate === 'avg' || aggregate === 'median' || partialOf[aggregate] === 'moments') return { kind: 'double' };
  if (aggregate === 'sum' && input.kind === 'decimal') return { kind: 'decimal', precision: 38, scale: input.scale };
  if (aggregate === 'firstN' || aggregate === 'lastN' || aggregate === 'topK') return { kind: 'list', item: input };
  if (aggregate === 'distinct') return { kind: 'int' };
  if (aggregate === 'histogram') return { kind: 'map', key: input, value: { kind: 'int' } };
  return input;
}

function inputType(
  input: string | RowFunction,
  declared: z.core.$ZodType | null,
  source: SourceCompilation,
  path: string,
  report: ReportFault,
): ScalarType | null {
  if (typeof input === 'string') {
    const field = source.fields.get(input);
    if (field === undefined) {
      report(
        'unknown-field',
        path,
        `no field "${input}" in source ${source.source.name}`,
        `Name one of: ${[...source.fields.keys()].join(', ')}.`,
      );
      return null;
    }
    const type = scalarOf(field.spec.type);
    if (type === null) {
      report(
        'wrong-input-type',
        path,
        `field "${input}" is a list or an object`,
        'Use a function that picks a value of it.',
      );
    }
    return type;
  }
  if (typeof input !== 'function') {
    report(
      'no-input',
      path,
      `the input is neither a field's name nor a function, but ${typeof input}`,
      "Write f.sum('field') or f.sum((e) => ...).",
    );
    return null;
  }
  return declared === null ? { kind: 'double' } : declaredType(declared, path, report);
}

/** The scalar type a schema declares for a join key or a function's result; checks and null have no place there. */
export function declaredType(schema: z.core.$ZodType, path: string, report: ReportFault): ScalarType | null {
  let faulty = false;
  const note = (_: string, message: string, remedy: string): void => {
    faulty = true;
    report('unsupported-type', path, message, remedy);
  };
  if (!(schema instanceof Object && '_zod' in schema)) {
    note(path, 'the type is not a zod schema', 'Use e.g. z.string().');
    return null;
  }
  const field: FieldPlan = readField(schema, '', path, note);
  const type = scalarOf(field.spec.type);
  if (type === null) note(path, 'a list or an object cannot be a value here', 'Use a scalar type.');
  else if (field.accepts !== null)
    note(path, 'a declared type takes no checks here', 'Leave the checks to the contract of the source.');
  else if (field.spec.nullable || field.spec.optional)
    note(path, 'a declared type is never nullable', 'Leave .nullable() out: null is always allowed.');
  else if (field.spelling.float32)
    note(path, 'z.float32() cannot be honoured here', 'Use z.number(): from the contract on such a value is a double.');
  else if (field.spelling.epoch !== null || field.spelling.local)
    note(
      path,
      'epoch(…) and `local` cannot be honoured here',
      'Use z.iso.datetime(): from the contract on a time is a time.',
    );
  return faulty ? null : type;
}
