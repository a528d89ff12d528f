import type { DerivedPlan } from '../derived/derive-step.ts';
import { createDerive } from '../derived/derive.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import { sampleRows } from '../purity/sample-values.ts';
import type { CompiledView, Row } from './compiled-view.ts';
import { sampledReads } from './derived-samples.ts';
import type { RowFunction } from './feature.ts';
import type { FeaturePlan } from './read-features.ts';
import { seenValues } from './seen-values.ts';
import type { ViewLayout } from './view-layout.ts';
import { watched } from './watched.ts';

/**
 * Which fields of its records a view was seen to read: what its functions asked sampled rows for, all together. Where a function asked what fields there
 * are, all. A branch that no sampled row takes is not seen, so that this is what is known, and no proof that nothing else is read.
 */
export interface ObservedFields {
  /** Of the view's `where`: every feature depends on them. */
  readonly where: readonly string[];
  /** Of the join keys, and so does it on these. */
  readonly key: readonly string[];
  /** Per feature: of its input, of what its events are ordered and divided by, of its own `where`. Of a derived one those of all that it reads. */
  readonly features: Readonly<Record<string, readonly string[]>>;
  /** Per derived feature the features that it was seen to read, derived ones among them. */
  readonly derived: Readonly<Record<string, readonly string[]>>;
}

/** What of a view its rows are given to. */
export interface ObservedParts {
  readonly plans: readonly FieldPlan[];
  readonly where: RowFunction | null;
  /** Null: the fields of these names. */
  readonly key: RowFunction | null;
  readonly keys: readonly string[];
  readonly features: readonly FeaturePlan[];
  readonly layout: ViewLayout;
  readonly derived: readonly DerivedPlan[];
}

/**
 * Which fields a view's features depend on, as far as sampled rows show it: rows made of the contract, and those that are given.
 *
 * @param rows valid rows of its source; they are not changed
 * @returns null of a view that was put together without a definition
 * @example
 * observedFields(views.get('route_delays')!)?.features['late_share_7d']; // ['delay']
 */
export function observedFields(view: CompiledView, rows: readonly Row[] = []): ObservedFields | null {
  return view.observe?.(rows) ?? null;
}

/** All fields that a feature depends on: its own, and those of the view's `where` and keys. */
export function fieldsOfFeature({ where, key, features }: ObservedFields, feature: string): string[] {
  return [...new Set([...(features[feature] ?? []), ...where, ...key])];
}

/** What `CompiledView.observe` is: rows of the contract are looked at once, whenever it is first asked. */
export function fieldObserver(parts: ObservedParts): (rows: readonly Row[]) => ObservedFields {
  let plain: ObservedFields | null = null;
  return (rows) => {
    if (rows.length > 0) return observe(parts, rows);
    plain ??= observe(parts, []);
    return plain;
  };
}

function observe(parts: ObservedParts, given: readonly Row[]): ObservedFields {
  const { plans, where, key, keys, features, layout, derived } = parts;
  const fields = plans.map(({ spec }) => spec.name);
  const all: readonly Row[] = [...sampleRows(plans).rows, ...given];
  const inOrder = (seen: ReadonlySet<string>): string[] => fields.filter((name) => seen.has(name));
  const kept = keptBy(where, all);
  const under = new Map<RowFunction | null, readonly Row[]>([[null, kept]]);
  const reads = new Map<RowFunction, Map<readonly Row[], ReadonlySet<string>>>();
  const read = (from: RowFunction, rows: readonly Row[]): ReadonlySet<string> => {
    const known = reads.get(from) ?? new Map<readonly Row[], ReadonlySet<string>>();
    reads.set(from, known);
    const seen = known.get(rows) ?? readBy(from, rows, fields);
    known.set(rows, seen);
    return seen;
  };
  const ownFields = ({ input, order, by, condition }: FeaturePlan): ReadonlySet<string> => {
    const rows = under.get(condition) ?? keptBy(condition, kept);
    under.set(condition, rows);
    const seen = new Set(condition === null ? [] : read(condition, kept));
    for (const from of [input?.from, order?.from, by?.from]) {
      if (typeof from === 'string') seen.add(from);
      else if (from !== undefined) for (const name of read(from, rows)) seen.add(name);
    }
    return seen;
  };
  const stored = features.map((plan) => [plan.name, ownFields(plan)] as const);
  const inputs = derivedReads(layout, derived);
  const own = new Map<string, ReadonlySet<string>>(stored);
  for (const { name } of derived)
    own.set(name, new Set([...inputs.get(name)!].flatMap((input) => [...(own.get(input) ?? [])])));
  return {
    where: where === null ? [] : inOrder(read(where, all)),
    key: inOrder(key === null ? new Set(keys) : read(key, kept)),
    features: Object.fromEntries([...own].map(([name, seen]) => [name, inOrder(seen)])),
    derived: Object.fromEntries([...inputs].map(([name, seen]) => [name, [...seen]])),
  };
}

/** The rows that a condition keeps; where it keeps none of them, all: what is read of those is better than nothing. */
function keptBy(condition: RowFunction | null, rows: readonly Row[]): readonly Row[] {
  if (condition === null) return rows;
  const kept = rows.filter((row) => resultOf(condition, structuredClone(row)) === true);
  return kept.length > 0 ? kept : rows;
}

/** What a function asks rows for. */
function readBy(from: RowFunction, rows: readonly Row[], fields: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  for (const row of rows) {
    resultOf(
      from,
      watched(structuredClone(row), (name) => seen.add(name)),
    );
    if (fields.every((name) => seen.has(name))) break;
  }
  return seen;
}

/** One that fails of a row has read what it has read. */
function resultOf(from: RowFunction, row: Row): unknown {
  try {
    return (from as (row: Row) => unknown)(row);
  } catch {
    return undefined;
  }
}

/** Per derived feature of a view what it reads of the features before it, of sampled reads. */
function derivedReads(layout: ViewLayout, derived: readonly DerivedPlan[]): Map<string, ReadonlySet<string>> {
  const seen = new Map(derived.map(({ name }) => [name, new Set<string>()]));
  if (derived.length === 0) return seen;
  const plans = derived.map((plan): DerivedPlan => {
    const compute = plan.compute as (values: object, context: object) => unknown;
    const note = (name: string): unknown => seen.get(plan.name)!.add(name);
    return {
      ...plan,
      compute: (values: object, context: object) => compute(watched(values, note), context),
    };
  });
  const derive = createDerive(seenValues(layout), plans);
  for (const { cells, atUs } of sampledReads({ layout, derived })) derive([...cells], atUs);
  return seen;
}
