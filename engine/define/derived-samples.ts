import { createDerive } from '../derived/derive.ts';
import type { DerivedFailure } from '../derived/derive-step.ts';
import { sampleRows } from '../purity/sample-values.ts';
import { type Cell, isCellError } from '../values/cell.ts';
import { carriedValue } from '../values/composite-text.ts';
import { KEY_SPELLING } from '../values/spelling.ts';
import { isScalarType, type ResultType } from '../values/result-type.ts';
import type { FieldPlan } from '../contract/field-plan.ts';
import type { FieldSpec, FieldType } from '../values/field-type.ts';
import type { CompiledView } from './compiled-view.ts';
import { fillOf, seenValues } from './seen-values.ts';
import { isDerived, storedFeatures } from './view-layout.ts';

/** Times that reads are sampled at, UTC epoch µs. */
const TIMES_US: readonly number[] = [979_397_760_000_000, 1_700_000_000_123_456, 0];

/** Cells that features can have, edges first, and a time: the same at every call. */
export interface SampledRead {
  readonly cells: readonly Cell[];
  readonly atUs: number;
}

type DerivedView = Pick<CompiledView, 'layout' | 'derived'>;

/** Reads of a view's stored features, the first of an entity without events. */
export function sampledReads({ layout }: DerivedView): SampledRead[] {
  const features = storedFeatures(layout);
  const empty = features.map((feature) => (feature.result.kind === 'int' && !feature.nullable ? 0 : fillOf(feature)));
  const plans = features.map(({ result, nullable }, index) => fieldOf(String(index), result, nullable));
  const rows = sampleRows(plans).rows.map((row) =>
    features.map(({ result }, index): Cell => carriedValue(result)(row[String(index)] ?? null) ?? null),
  );
  return [empty, ...rows].map((cells, index) => ({ cells, atUs: TIMES_US[index % TIMES_US.length]! }));
}

/** A field whose values are those of a feature. */
function fieldOf(name: string, type: ResultType, nullable: boolean): FieldPlan {
  const nothing = { accepts: null, expected: '', rules: [], spelling: KEY_SPELLING };
  const plan = (kind: FieldType, item: FieldPlan | null, members: readonly FieldPlan[]): FieldPlan => {
    const spec: FieldSpec = { name, type: kind, nullable, optional: false };
    return { ...nothing, spec, item, members };
  };
  if (isScalarType(type)) return plan(type, null, []);
  if (type.kind === 'list') {
    const item = fieldOf('', type.item, false);
    return plan({ kind: 'array', item: item.spec }, item, []);
  }
  const keys = type.key.kind === 'enum' ? type.key.values : ['a', 'constructor', ''];
  const members = keys.slice(0, 3).map((key) => fieldOf(key, type.value, false));
  return plan({ kind: 'object', fields: members.map(({ spec }) => spec) }, null, members);
}

/** What the derived features of a view give for sampled reads. */
export interface DerivedResults {
  /** By feature, in their order, a text per read: equal texts are equal results. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
  readonly failures: readonly (DerivedFailure & { readonly read: number })[];
}

/** Computes derived features of sampled reads, from the first to the last or backwards. */
export function derivedResults(view: DerivedView, reads: readonly SampledRead[], isBackwards = false): DerivedResults {
  const { layout, derived = [] } = view;
  const derive = createDerive(seenValues(layout), derived);
  const stored = storedFeatures(layout).length;
  const texts = new Map(layout.features.filter(isDerived).map(({ name }) => [name, reads.map(() => '')]));
  const failures: (DerivedFailure & { readonly read: number })[] = [];
  const order = [...reads.keys()];
  for (const read of isBackwards ? order.toReversed() : order) {
    const { cells: given, atUs } = reads[read]!;
    const cells = [...given];
    derive(cells, atUs, (failure) => failures.push({ ...failure, read }));
    derived.forEach(({ name }, index) => {
      texts.get(name)![read] = textOf(cells[stored + index]!);
    });
  }
  return { texts, failures };
}

/** The same by the path that faults name each with. */
export function derivedSubjects(view: DerivedView): { readonly path: string; readonly texts: readonly string[] }[] {
  const { texts } = derivedResults(view, sampledReads(view));
  return [...texts].map(([name, own]) => ({ path: `derived.${name}`, texts: own }));
}

/** A cell as text: equal texts are equal cells. */
export function textOf(cell: Cell): string {
  return isCellError(cell) ? cell.code : `${typeof cell} ${String(cell)}`;
}
