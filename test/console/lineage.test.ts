/** Graphs of lineage by the rule alone: what is reached, and what of it is drawn. */
import { expect, test } from 'vitest';
import {
  graphAround,
  LAYERS,
  type Lineage,
  lineageId,
  type LineageKind,
  reachedFrom,
} from '../../console/lineage/lineage-graph.ts';
import { lawSeed } from '../laws/law-seed.ts';
import { seededRandom } from '../statistics/seeded-random.ts';

const KINDS = Object.keys(LAYERS) as LineageKind[];

function lineageOf(edges: readonly (readonly [string, string])[], names: readonly string[]): Lineage {
  const nodes = names.map((name, index) => {
    const kind = KINDS[index % KINDS.length]!;
    return { id: name, kind, name, layer: LAYERS[kind] };
  });
  return { nodes: new Map(nodes.map((node) => [node.id, node])), edges: edges.map(([from, to]) => ({ from, to })) };
}

/** What is reached, by adding neighbours until there is none left. */
function naive(lineage: Lineage, start: string, way: 'to' | 'from'): Set<string> {
  const reached = new Set([start]);
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const { from, to } of lineage.edges) {
      if (way === 'to' && reached.has(from)) reached.add(to);
      if (way === 'from' && reached.has(to)) reached.add(from);
    }
  }
  reached.delete(start);
  return reached;
}

test('what is reached is what neighbours of neighbours are, circles or not', () => {
  const { uniform: random } = seededRandom(lawSeed);
  for (let round = 0; round < 200; round++) {
    const names = Array.from({ length: 1 + Math.floor(random() * 30) }, (_, n) => `n${n}`);
    const pick = (): string => names[Math.floor(random() * names.length)]!;
    const lineage = lineageOf(
      Array.from({ length: Math.floor(random() * 60) }, () => [pick(), pick()] as const),
      names,
    );
    const start = pick();
    for (const way of ['to', 'from'] as const)
      expect([lawSeed, round, reachedFrom(lineage, start, way).toSorted()]).toEqual([
        lawSeed,
        round,
        [...naive(lineage, start, way)].toSorted(),
      ]);
    const most = 1 + Math.floor(random() * 12);
    const graph = graphAround(lineage, start, most);
    const shown = new Set(graph.nodes.map(({ id }) => id));
    expect(graph.total).toBe(new Set([start, ...naive(lineage, start, 'to'), ...naive(lineage, start, 'from')]).size);
    expect([graph.nodes.length, shown.has(start)]).toEqual([Math.min(most, graph.total), true]);
    for (const { from, to } of graph.edges) expect([shown.has(from), shown.has(to)]).toEqual([true, true]);
  }
});

test('the nearest are drawn, of both directions in turns', () => {
  const names = [
    'mid',
    ...Array.from({ length: 300 }, (_, n) => `up${n}`),
    ...Array.from({ length: 300 }, (_, n) => `down${n}`),
  ];
  const edges = [
    ...Array.from({ length: 300 }, (_, n) => [`up${n}`, 'mid'] as const),
    ...Array.from({ length: 300 }, (_, n) => ['mid', `down${n}`] as const),
  ];
  const { nodes, total } = graphAround(lineageOf(edges, names), 'mid', 200);
  expect([nodes.length, total]).toEqual([200, 601]);
  expect(nodes.filter(({ name }) => name.startsWith('up')).length).toBe(100);
  expect(lineageId('label set', 'late')).toBe('label set late');
});
