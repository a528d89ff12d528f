import type { FieldPlan } from '../contract/field-plan.ts';
import { type StoredField, storedField } from '../contract/stored-field.ts';
import type { ViewCompilation } from './compile-view.ts';
import type { CompiledHistory } from './compiled-view.ts';
import type { FeatureView } from './feature-view.ts';
import type { ViewLayout } from './view-layout.ts';

/** Plain JSON. */
export interface DeclaredIdentity {
  readonly contract: readonly StoredField[];
  readonly layout: ViewLayout;
  readonly source: object;
}

/**
 * What a view says as data and what decides its values: contract, layout, and which of its source's records count. Whatever a source says
 * counts, unless it is left out here by name.
 */
export function declaredIdentity(
  definition: FeatureView,
  view: ViewCompilation,
  plans: readonly FieldPlan[],
): DeclaredIdentity {
  const { contract, source } = declaredSource(definition, view, plans);
  return { contract, layout: view.layout, source };
}

/** Of that, what its source says. */
export function declaredSource(
  definition: FeatureView,
  view: Pick<ViewCompilation, 'source'>,
  plans: readonly FieldPlan[],
): { readonly contract: readonly StoredField[]; readonly source: object } {
  const {
    contract: _,
    headers: __,
    invalidLimit: ___,
    sensitive: ____,
    segments: _____,
    monitorBytes: ______,
    history,
    maxAheadUs,
    ...source
  } = view.source;
  return {
    contract: plans.map(storedField),
    source: {
      ...source,
      // JSON has no Infinity.
      maxAheadUs: Number.isFinite(maxAheadUs) ? maxAheadUs : 'any',
      untilUs: history?.untilUs ?? null,
      // As it is written: where the project lies is of no matter. That history and topic are disjoint changes nothing either.
      history: definition.source.options.history?.path ?? null,
      ...historyReading(history),
    },
  };
}

/** How a history is read, where it is not as by default. */
function historyReading(history: CompiledHistory | null): object {
  const { partitions = [], csv } = history ?? {};
  return {
    ...(partitions.length === 0 ? {} : { partitions }),
    ...(csv === undefined || (csv.delimiter === ',' && csv.decimal === '.') ? {} : { csv }),
  };
}
