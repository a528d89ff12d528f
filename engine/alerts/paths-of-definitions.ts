import type { Definitions } from '../define/compiled-view.ts';
import { fieldsOfFeature, observedFields } from '../define/observed-fields.ts';
import type { MonitorPaths } from './monitor-paths.ts';

/** A feature of a longer window changes too slowly to be judged by the hour. */
const LONGEST_US = 6 * 3_600_000_000;

/**
 * How values come from source to view to service, by definitions: which fields a feature depends on is what its functions were observed to read.
 *
 * @param flips view to when another version of it was published, UTC epoch ms. Default: none
 */
export function pathsOfDefinitions(
  { views, services }: Pick<Definitions, 'views' | 'services'>,
  flips: MonitorPaths['flips'] = new Map(),
): MonitorPaths {
  const fieldsOf = new Map<string, readonly string[]>();
  const keptBy = new Map<string, readonly string[]>();
  const slow = new Set<string>();
  for (const view of views.values()) {
    const observed = observedFields(view);
    if (observed !== null) keptBy.set(view.name, [...new Set([...observed.where, ...observed.key])]);
    for (const feature of view.layout.features) {
      const name = `${view.name}.${feature.name}`;
      if (observed !== null) fieldsOf.set(name, fieldsOfFeature(observed, feature.name));
      // A derived one has no window of its own: it is as slow as the slowest it is made of.
      const windows =
        feature.slot < 0 ? made(view.layout.features, observed?.derived[feature.name] ?? []) : [feature.windowUs];
      if (windows.some((windowUs) => windowUs === null || windowUs > LONGEST_US)) slow.add(name);
    }
  }
  return {
    sourceOf: new Map([...views.values()].map(({ name, source }) => [name, source.name])),
    viewsOf: new Map(
      [...services.values()].map(({ name, blocks }) => [name, [...new Set(blocks.map(({ view }) => view.name))]]),
    ),
    fieldsOf,
    keptBy,
    slow,
    flips,
  };
}

function made(
  features: readonly { readonly name: string; readonly slot: number; readonly windowUs: number | null }[],
  inputs: readonly string[],
): (number | null)[] {
  // Derived ones among its inputs have inputs of their own, which are named beside them.
  return features.filter(({ name, slot }) => slot >= 0 && inputs.includes(name)).map(({ windowUs }) => windowUs);
}
