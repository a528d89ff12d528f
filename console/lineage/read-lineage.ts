import type { ConsoleLook } from '../console-look.ts';
import {
  LAYERS,
  type Lineage,
  type LineageEdge,
  lineageId,
  type LineageKind,
  type LineageNode,
} from './lineage-graph.ts';
import type { ModelDecisions } from '../read/model-decisions.ts';

/** What is made of what, of all that the caller may see. */
export function readLineage(
  { views, services, models, labelSets, sources, deps }: ConsoleLook,
  decided: readonly ModelDecisions[],
): Lineage {
  const nodes = new Map<string, LineageNode>();
  const edges = new Map<string, LineageEdge>();
  const isDecisions = (name: string): boolean => deps.definitions.sources.get(name)?.says === 'decisions';
  const add = (kind: LineageKind, name: string): string => {
    const id = lineageId(kind, name);
    if (!nodes.has(id)) nodes.set(id, { id, kind, name, layer: LAYERS[kind] });
    return id;
  };
  const addSource = (name: string): string => add(isDecisions(name) ? 'decisions' : 'source', name);
  const join = (from: string, to: string): void => void edges.set(`${from}\n${to}`, { from, to });
  for (const source of sources) addSource(source);
  for (const { view, source } of views.values()) join(addSource(source), add('view', view));
  for (const { service, views: read } of services) {
    const id = add('service', service);
    for (const view of read) if (views.has(view)) join(add('view', view), id);
  }
  for (const { model, service } of models) join(add('service', service), add('model', model));
  const shown = new Set(models.map(({ model }) => model));
  for (const { model, decisions } of decided)
    if (shown.has(model)) join(add('model', model), add('decisions', decisions));
  for (const { name, decisions, outcomes } of labelSets) {
    const id = add('label set', name);
    join(addSource(decisions.name), id);
    join(addSource(outcomes.name), id);
    const pairs = `pairs_${name}`;
    if (sources.includes(pairs)) join(id, addSource(pairs));
  }
  return { nodes, edges: [...edges.values()] };
}
