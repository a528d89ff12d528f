import type { DerivedPlan } from '../derived/derive-step.ts';
import type { ScalarType } from '../values/field-type.ts';
import { nameOfType } from '../values/type-name.ts';
import { buildLayout, type SlotPlan } from './build-layout.ts';
import { readKeySegments } from './compile-segments.ts';
import { kindName, type SourceCompilation } from './compile-source.ts';
import type { CompiledView, FeatureInputs } from './compiled-view.ts';
import type { ReportFault } from './definition-fault.ts';
import { durationMicros } from './duration.ts';
import type { Entity } from './entity.ts';
import type { RowFunction } from './feature.ts';
import type { FeatureView } from './feature-view.ts';
import { fieldObserver } from './observed-fields.ts';
import { readDerived } from './read-derived.ts';
import type { FeatureLayout, ViewLayout } from './view-layout.ts';
import { columnNameFault, nameFault, sqlNameFault } from './names.ts';
import { checkColumns } from './check-columns.ts';
import { createPrepare, keyReader } from './prepare.ts';
import { hushedPrepare } from './sensitive-view.ts';
import {
  declaredType,
  type FeaturePlan,
  type InputPlan,
  type KnownInputs,
  readFeatures,
  scalarOf,
} from './read-features.ts';

export type KeyPlan = { readonly name: string; readonly type: ScalarType };

/** A view compiled up to its fingerprint. */
export interface ViewCompilation extends Omit<CompiledView, 'fingerprint' | 'tags'> {
  readonly slots: readonly SlotPlan[];
  readonly featureInputs: readonly FeatureInputs[];
}

/** A row function of a feature: of its input, of what it orders events by, or its own `where`. */
export interface FunctionInput {
  /** Of the first feature that reads it: `features.late_share`; its faults are told under it. */
  readonly path: string;
  readonly from: RowFunction;
  /** Null of a `where`. */
  readonly type: ScalarType | null;
  /** It runs on the rows alone that this is true of. */
  readonly under: RowFunction | null;
}

/** What became of a view: null where it is faulty. Its row functions are known all the same, to be judged with the rest. */
export interface ViewJudgement {
  readonly compiled: ViewCompilation | null;
  readonly functions: readonly FunctionInput[];
}

/** Judges an entity's join keys. */
export function compileEntity(entity: Entity, report: ReportFault): KeyPlan[] {
  const name = nameFault(entity.name);
  if (name !== null) report('invalid-name', 'name', name, 'Use snake_case of at most 40 characters.');
  const keys: KeyPlan[] = [];
  if (Object.keys(entity.keys ?? {}).length === 0) {
    report('no-keys', 'keys', 'has no join keys', 'Give at least one: { origin: z.string() }.');
  }
  for (const [key, schema] of Object.entries(entity.keys ?? {})) {
    const path = `keys.${key}`;
    const fault = columnNameFault(key);
    if (fault !== null)
      report(fault.code, path, fault.message, 'Use another name, and `key: (e) => ({ ... })` in the view.');
    const type = declaredType(schema, path, report);
    if (type?.kind === 'double') {
      report(
        'unsupported-type',
        path,
        'a join key cannot be a double',
        'Use z.int(), z.int64(), decimal() or z.string().',
      );
    } else if (type !== null) keys.push({ name: key, type });
  }
  return keys;
}

/**
 * Compiles a view over its compiled source, or reports its faults.
 *
 * @param inputs what the functions of features give, where that was read before: their schemas are not asked then
 */
export function compileView(
  view: FeatureView,
  keys: readonly KeyPlan[],
  source: SourceCompilation,
  report: ReportFault,
  inputs?: KnownInputs,
): ViewJudgement {
  let faulty = false;
  const note: ReportFault = (code, path, message, remedy) => {
    faulty = true;
    report(code, path, message, remedy);
  };
  const name = sqlNameFault(view.name);
  if (name !== null) note('invalid-name', 'name', name, 'Use snake_case of at most 40 characters.');
  for (const option of ['where', 'key'] as const) {
    const given: unknown = view[option];
    if (given !== null && typeof given !== 'function')
      note('no-function', option, `expected a function, received ${typeof given}`, `Write ${option}: (e) => ...`);
  }
  if (view.key === null) checkKeyFields(keys, source, note);
  const features = readFeatures(
    view,
    source,
    keys.map((key) => key.name),
    note,
    inputs,
  );
  const duration = (option: 'refresh' | 'expire', example: string): number | null => {
    const text = view[option];
    if (text === null) return null;
    const micros = durationMicros(text);
    if (micros !== undefined) return micros;
    const remedy = `Write a whole number and a unit: ${example}.`;
    note('invalid-duration', option, `${JSON.stringify(text)} is not a duration`, remedy);
    return null;
  };
  const names = keys.map(({ name }) => name);
  const segments = readKeySegments(view.segments, names, note);
  const refreshUs = duration('refresh', "'6h'");
  const expireUs = duration('expire', "'180d'");
  const read = readDerived(view.derived, 'derived', takenNames(keys, features), note, inputs);
  const isSensitive = (source.source.sensitive ?? []).length > 0;
  const derived = isSensitive ? read.map((plan) => ({ ...plan, hushed: true as const })) : read;
  checkColumns(features.length + derived.length, keys.length, note);
  const functions = functionInputs(features);
  if (faulty || keys.length === 0) return { compiled: null, functions };
  const { layout: stored, slots } = buildLayout(
    {
      view: view.name,
      entity: view.entity.name,
      keys,
      tieBreak: tieBreakOf(source),
    },
    expireUs,
    features,
  );
  const layout = { ...stored, features: [...stored.features, ...derived.map(derivedLayout)] };
  const compiled: ViewCompilation = {
    name: view.name,
    layout,
    source: source.source,
    refreshMs: refreshUs === null ? null : refreshUs / 1000,
    ...segments,
    featureInputs: [
      ...features.map(inputTexts),
      ...derived.map(({ compute }) => ({ ...NO_INPUTS, value: sourceText(compute) })),
    ],
    observe: fieldObserver({
      plans: source.plans,
      where: view.where,
      key: view.key,
      keys: keys.map((key) => key.name),
      features,
      layout,
      derived,
    }),
    ...(derived.length === 0 ? {} : { derived }),
    prepare: hushedPrepare(createPrepare(view.where, keyReader(keys, view.key), slots), source.source),
    slots,
  };
  return { compiled, functions };
}

const NO_INPUTS: FeatureInputs = { value: null, order: null, category: null, condition: null };

/** A derived feature as the layout has it: no state has anything of it. */
function derivedLayout({ name, type }: DerivedPlan): FeatureLayout {
  return { name, aggregate: 'derived', slot: -1, windowUs: null, hopUs: null, result: type, nullable: true };
}

/** What derived features may not be called, and why. */
function takenNames(keys: readonly KeyPlan[], features: readonly FeaturePlan[]): ReadonlyMap<string, string> {
  return new Map([
    ...keys.map(({ name }) => [name, 'a join key of the entity'] as const),
    ...features.map(({ name }) => [name, 'a feature of the view'] as const),
  ]);
}

/** Each function once for each type it is declared to give. */
function functionInputs(features: readonly FeaturePlan[]): FunctionInput[] {
  const inputs: FunctionInput[] = [];
  const note = (path: string, from: RowFunction, type: ScalarType | null, under: RowFunction | null): void => {
    const known = inputs.some(
      (other) => other.from === from && other.under === under && JSON.stringify(other.type) === JSON.stringify(type),
    );
    if (!known) inputs.push({ path, from, type, under });
  };
  for (const { name, input, order, by, condition } of features) {
    if (condition !== null) note(`features.${name}.where`, condition, null, null);
    if (typeof input?.from === 'function') note(`features.${name}`, input.from, input.type, condition);
    if (typeof by?.from === 'function') note(`features.${name}.by`, by.from, by.type, condition);
    if (typeof order?.from === 'function') note(`features.${name}.order`, order.from, order.type, condition);
  }
  return inputs;
}

function checkKeyFields(keys: readonly KeyPlan[], source: SourceCompilation, note: ReportFault): void {
  for (const { name, type } of keys) {
    const field = source.fields.get(name);
    if (field === undefined) {
      note(
        'key-mismatch',
        'key',
        `join key "${name}" is no field of source ${source.source.name}`,
        `Give key: (e) => ({ ${name}: ... }), or name the key as a field: ${[...source.fields.keys()].join(', ')}.`,
      );
    } else if (!fits(scalarOf(field.spec.type), type)) {
      note(
        'key-mismatch',
        'key',
        `join key "${name}" is ${nameOfType(type)}, but field "${name}" of source ${source.source.name} is ${kindName(field)}`,
        `Give key: (e) => ({ ${name}: ... }), or change one of the types.`,
      );
    }
  }
}

function fits(field: ScalarType | null, key: ScalarType): boolean {
  if (field === null) return false;
  if (key.kind === 'string') return field.kind === 'string' || field.kind === 'enum';
  if (key.kind === 'enum') return field.kind === 'enum' && field.values.every((value) => key.values.includes(value));
  return JSON.stringify(field) === JSON.stringify(key);
}

function inputTexts({ input, order, by, condition }: FeaturePlan): FeatureInputs {
  const text = (plan: InputPlan | null): string | null => (plan === null ? null : sourceText(plan.from));
  return {
    value: text(input),
    order: text(order),
    category: text(by),
    condition: condition === null ? null : sourceText(condition),
  };
}

function sourceText(from: string | RowFunction | DerivedPlan['compute']): string {
  return typeof from === 'string' ? from : String(from).replace(/\s+/g, ' ');
}

/** Integers compare by value, whatever their number of digits. */
function tieBreakOf({ source, fields }: SourceCompilation): ViewLayout['tieBreak'] {
  if (source.eventIdField === null) return 'offset';
  const kind = fields.get(source.eventIdField)?.spec.type.kind;
  return kind === 'int' || kind === 'int64' ? 'integer-id' : 'id';
}
