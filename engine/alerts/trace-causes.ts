import type { MonitorSubject } from '../monitors/monitor-bucket.ts';
import type { BucketResult, Deviation } from './evaluate-bucket.ts';
import type { Statistic } from './figures.ts';
import { inputsOf, type MonitorPaths } from './monitor-paths.ts';
import { nameSegment } from './name-segment.ts';
import { type MonitorNode, nodeKey, sameSegment } from './subject-text.ts';

/** Where along the path a change first shows. */
export const SUSPECTED_PLACES = ['producer', 'source', 'transformation', 'store', 'serving'] as const;
export type SuspectedPlace = (typeof SUSPECTED_PLACES)[number];

/** What an alert is of: a statistic, or records that stopped altogether, or what a definition says (`monitor`). */
export type AlertKind = Statistic | 'silence' | 'rule';

/** Deviations with one cause. */
export interface Cause {
  readonly kind: AlertKind;
  readonly place: SuspectedPlace;
  /** Where it first shows. */
  readonly root: MonitorSubject;
  /** The deviation of the root. */
  readonly headline: Deviation;
  readonly sinceMs: number;
  /** All of them, the root's first. */
  readonly deviations: readonly Deviation[];
}

/** What tells most of a node that deviates in several ways comes first. */
const ORDER: readonly Statistic[] = [
  'volume',
  'invalid',
  'left-out',
  'share',
  'found',
  'kept',
  'coverage',
  'lag',
  'mean',
  'distance',
];
/** What a change of the mixture of records can bring about. */
const OF_MIXTURE: ReadonlySet<Statistic> = new Set(['mean', 'distance', 'lag']);

interface OutNode {
  readonly node: MonitorNode;
  readonly deviations: readonly Deviation[];
  /** Of it alone, whatever it is made of. */
  readonly headline: Deviation;
}

/**
 * Groups what deviates in one bucket by cause: whatever is made of something that deviates too belongs to that, through stages at which nothing shows; the
 * fields of one source that change for one segment at once belong together.
 *
 * @param already nodes whose alert is open: what is made of them belongs to them, too
 */
export function traceCauses(result: BucketResult, paths: MonitorPaths, already: readonly MonitorNode[] = []): Cause[] {
  const nodes = outNodes(result);
  const known = [...result.series.values()].map(({ subject }) => subject);
  const rootOf = new Map<string, MonitorNode>();
  const openKeys = new Map(already.map((node) => [nodeKey(node), node]));
  for (const [key, { node, deviations }] of nodes)
    rootOf.set(key, furthest(node, deviations, nodes, openKeys, paths, known));
  // What one of them comes from may come from something that the other alone cannot.
  const lastRoot = (key: string): string => {
    const next = rootOf.get(key);
    return next === undefined || nodeKey(next) === key ? key : lastRoot(nodeKey(next));
  };
  const groups = Map.groupBy(nodes.values(), ({ node }) => lastRoot(nodeKey(node)));
  const causes = [...groups].map(([key, group]) => causeOf(key, group, result, paths, openKeys));
  return joinFields(causes);
}

function outNodes(result: BucketResult): Map<string, OutNode> {
  const nodes = new Map<string, OutNode>();
  for (const [key, deviations] of Map.groupBy(result.deviations, ({ subject }) => nodeKey(subject)))
    nodes.set(key, { node: nodeOf(deviations[0]!.subject), deviations, headline: headlineOf(deviations, result) });
  return nodes;
}

function nodeOf({ place, object, field }: MonitorSubject): MonitorNode {
  return { place, object, field };
}

/** Of the statistic that tells most, in the segment that is to be named. */
function headlineOf(deviations: readonly Deviation[], result: BucketResult): Deviation {
  const statistic = ORDER.find((each) => deviations.some((one) => one.statistic === each))!;
  const ofIt = deviations.filter((each) => each.statistic === statistic);
  const segment = nameSegment(ofIt, result);
  const named = ofIt.filter(({ subject }) => sameSegment(subject.segment, segment));
  const from = named.length > 0 ? named : ofIt;
  return from.reduce((most, each) => (Math.abs(each.score) > Math.abs(most.score) ? each : most));
}

/** The first stage on the path that deviates: of several, the one that does most. */
function furthest(
  start: MonitorNode,
  deviations: readonly Deviation[],
  out: ReadonlyMap<string, OutNode>,
  open: ReadonlyMap<string, MonitorNode>,
  paths: MonitorPaths,
  known: readonly MonitorNode[],
): MonitorNode {
  // What a view keeps is of its records, whatever of them changed.
  const isMixture = start.place === 'view' || deviations.every(({ statistic }) => OF_MIXTURE.has(statistic));
  const seen = new Set<string>([nodeKey(start)]);
  let best = start;
  let level: MonitorNode[] = [start];
  while (level.length > 0) {
    const found: MonitorNode[] = [];
    const next: MonitorNode[] = [];
    for (const node of level)
      for (const { node: input, by } of inputsOf(node, paths, known)) {
        const key = nodeKey(input);
        if (seen.has(key) || (by === 'mixture' && !isMixture)) continue;
        seen.add(key);
        next.push(input);
        if (out.has(key) || open.has(key)) found.push(input);
      }
    if (found.length > 0) best = strongest(found, out);
    level = next;
  }
  return best;
}

function strongest(nodes: readonly MonitorNode[], out: ReadonlyMap<string, OutNode>): MonitorNode {
  const scoreOf = (node: MonitorNode): number => Math.abs(out.get(nodeKey(node))?.headline.score ?? 0);
  return nodes.reduce((most, each) => (scoreOf(each) > scoreOf(most) ? each : most));
}

function causeOf(
  rootKey: string,
  group: readonly OutNode[],
  result: BucketResult,
  paths: MonitorPaths,
  open: ReadonlyMap<string, MonitorNode>,
): Cause {
  const rootNode = group.find(({ node }) => nodeKey(node) === rootKey);
  const first =
    rootNode ??
    group.reduce((most, each) => (Math.abs(each.headline.score) > Math.abs(most.headline.score) ? each : most));
  const { headline } = first;
  const all = [first, ...group.filter((each) => each !== first)].flatMap(({ deviations }) => deviations);
  const deviations = [headline, ...all.filter((each) => each !== headline)];
  // Only what it is made of is still open: that is its root.
  const root = rootNode === undefined ? { ...open.get(rootKey)!, segment: headline.subject.segment } : headline.subject;
  return {
    kind: headline.statistic === 'volume' && headline.value === 0 ? 'silence' : headline.statistic,
    place: placeOf(root, deviations, result, paths),
    root,
    headline,
    sinceMs: Math.min(
      ...deviations
        .filter(({ subject }) => nodeKey(subject) === nodeKey(headline.subject))
        .map(({ sinceMs }) => sinceMs),
    ),
    deviations,
  };
}

function placeOf(
  root: MonitorSubject,
  deviations: readonly Deviation[],
  { beginMs }: BucketResult,
  { flips }: MonitorPaths,
): SuspectedPlace {
  // A state that is no state was broken where it is kept, wherever it is found.
  if (
    root.place !== 'source' &&
    deviations.some(({ statistic, subject }) => statistic === 'invalid' && subject.place !== 'source')
  )
    return 'store';
  switch (root.place) {
    case 'source':
      return root.segment === null ? 'source' : 'producer';
    case 'view':
      return 'transformation';
    case 'store': {
      const keptMoved = deviations.some(
        ({ subject, statistic }) =>
          subject.place === 'store' &&
          subject.object === root.object &&
          (statistic === 'volume' || statistic === 'left-out' || statistic === 'share'),
      );
      const since = Math.min(...deviations.map(({ sinceMs }) => sinceMs));
      const isFlipped = flips.get(root.object)?.some((atMs) => atMs >= since - 3_600_000 && atMs < beginMs + 3_600_000);
      return keptMoved || isFlipped === true ? 'transformation' : 'store';
    }
    case 'served':
      return 'serving';
  }
}

/** Fields of one source that change at once, for the same segment, have one cause: it is named by the one that changes most. */
function joinFields(causes: readonly Cause[]): Cause[] {
  const keyOf = ({ root }: Cause): string =>
    root.field === null
      ? nodeKey(root)
      : JSON.stringify([root.place, root.object, 'fields', root.segment?.name ?? null, root.segment?.value ?? null]);
  return [...Map.groupBy(causes, keyOf).values()].map((group) => {
    if (group.length === 1) return group[0]!;
    const first = group.reduce((most, each) =>
      Math.abs(each.headline.score) > Math.abs(most.headline.score) ? each : most,
    );
    const others = group.filter((each) => each !== first);
    return {
      ...first,
      sinceMs: Math.min(...group.map(({ sinceMs }) => sinceMs)),
      deviations: [...first.deviations, ...others.flatMap(({ deviations }) => deviations)],
    };
  });
}
