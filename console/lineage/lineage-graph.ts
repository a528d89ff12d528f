/** What lineage is of, from what comes in to what is decided. */
export type LineageKind = 'source' | 'view' | 'service' | 'model' | 'decisions' | 'label set';

/** Where a kind stands from left to right. Decisions and outcomes are sources as well: what flows on from a label set stands on the left again. */
export const LAYERS: Readonly<Record<LineageKind, number>> = {
  source: 0,
  view: 1,
  service: 2,
  model: 3,
  decisions: 4,
  'label set': 5,
};

/** One thing. */
export interface LineageNode {
  /** Kind and name. */
  readonly id: string;
  readonly kind: LineageKind;
  readonly name: string;
  readonly layer: number;
}

/** The second is made of the first. */
export interface LineageEdge {
  readonly from: string;
  readonly to: string;
}

/** Things, and what is made of what. */
export interface Lineage {
  readonly nodes: ReadonlyMap<string, LineageNode>;
  readonly edges: readonly LineageEdge[];
}

/** A part of it, to be drawn. */
export interface LineageGraph {
  readonly focus: string | null;
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** Nodes that are connected with the focus, the shown ones among them. */
  readonly total: number;
}

/** The id of a node. */
export function lineageId(kind: LineageKind, name: string): string {
  return `${kind} ${name}`;
}

/** Everything that is made of a node, or (`from`) that it is made of, nearest first. */
export function reachedFrom({ edges }: Lineage, start: string, way: 'to' | 'from'): readonly string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const [key, value] = way === 'to' ? [from, to] : [to, from];
    const known = next.get(key);
    if (known === undefined) next.set(key, [value]);
    else known.push(value);
  }
  const seen = new Set([start]);
  const queue = [start];
  for (const id of queue) {
    for (const found of next.get(id) ?? []) {
      if (seen.has(found)) continue;
      seen.add(found);
      queue.push(found);
    }
  }
  return queue.slice(1);
}

/** At most `most` nodes around one: all it is made of and all that is made of it, nearest first; with no focus the first ones of all. */
export function graphAround(lineage: Lineage, focus: string | null, most: number): LineageGraph {
  const order =
    focus === null
      ? [...lineage.nodes.keys()]
      : merged([focus], reachedFrom(lineage, focus, 'from'), reachedFrom(lineage, focus, 'to'));
  const kept = new Set(order.slice(0, most));
  const nodes = [...lineage.nodes.values()].filter(({ id }) => kept.has(id));
  return {
    focus,
    nodes: inOrder(nodes, lineage.edges),
    edges: lineage.edges.filter(({ from, to }) => kept.has(from) && kept.has(to)),
    total: order.length,
  };
}

/** Both ways in turns, so that neither crowds out the other. */
function merged(first: readonly string[], one: readonly string[], other: readonly string[]): string[] {
  const all = new Set(first);
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    for (const ids of [one, other]) {
      const id = ids[index];
      if (id !== undefined) all.add(id);
    }
  }
  return [...all];
}

/** Per layer by the mean place of what a node is made of: fewer lines cross. */
function inOrder(nodes: readonly LineageNode[], edges: readonly LineageEdge[]): LineageNode[] {
  const place = new Map<string, number>();
  const parents = new Map<string, string[]>();
  for (const { from, to } of edges) parents.set(to, [...(parents.get(to) ?? []), from]);
  const layers = [...new Set(nodes.map(({ layer }) => layer))].toSorted((a, b) => a - b);
  return layers.flatMap((layer) => {
    const meanOf = (id: string): number => {
      const known = (parents.get(id) ?? []).flatMap((parent) => place.get(parent) ?? []);
      return known.length === 0 ? 0 : known.reduce((sum, one) => sum + one, 0) / known.length;
    };
    const own = nodes
      .filter((node) => node.layer === layer)
      .map((node) => ({ node, mean: meanOf(node.id) }))
      .toSorted((a, b) => a.mean - b.mean || (a.node.name < b.node.name ? -1 : 1))
      .map(({ node }) => node);
    for (const [index, { id }] of own.entries()) place.set(id, index);
    return own;
  });
}
