import { html } from 'hono/html';
import type { ConsoleLook } from '../console-look.ts';
import { notInConsole } from '../console-look.ts';
import {
  type Lineage,
  type LineageKind,
  type LineageNode,
  graphAround,
  lineageId,
  reachedFrom,
} from '../lineage/lineage-graph.ts';
import { readLineage } from '../lineage/read-lineage.ts';
import { graphPlot } from '../lineage/graph-plot.ts';
import { link, part, pathTo, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shownCount } from '../markup/shown.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { modelDecisions } from '../read/model-decisions.ts';

/** A graph draws at most so many nodes around one. */
const MOST_NODES = 200;
const MOST_LISTED = 500;

/** What is made of what: all of it, or around one. */
export async function lineagePage(look: ConsoleLook, kind?: string, name?: string): Promise<ConsolePage> {
  const lineage = readLineage(look, await modelDecisions(look.deps.pool));
  const focus = kind === undefined || name === undefined ? null : lineageId(kind as LineageKind, name);
  const node = focus === null ? undefined : lineage.nodes.get(focus);
  if (focus !== null && node === undefined) notInConsole(kind ?? 'node', name ?? '');
  const graph = graphAround(lineage, focus, MOST_NODES);
  const about = node === undefined ? 'all there is' : `around ${node.kind} ${node.name}`;
  const body = html`<p>From left to right: sources, views, services, models, decisions, label sets. Each leads to its own lineage.</p>
${lineage.nodes.size === 0 ? html`<p class="dim">There is nothing yet.</p>` : graphPlot(`Lineage, ${about}`, graph, lineageHref)}
${focus === null ? '' : html`${listed(lineage, focus, 'from', 'Made of')}${listed(lineage, focus, 'to', 'What is made of it: this breaks if it goes')}`}
${node === undefined ? '' : html`<p>${link(ownHref(node), `The page of ${node.name}`)} · ${link('/console/lineage', 'All')}</p>`}
${readAt(look.nowUs, command('list', node === undefined ? 'views' : listOf(node.kind)))}`;
  return {
    title: node === undefined ? 'Lineage' : `Lineage of ${node.name}`,
    path: node === undefined ? '/console/lineage' : lineageHref(node),
    body,
  };
}

function listed(lineage: Lineage, focus: string, way: 'to' | 'from', heading: string): Markup {
  const ids = reachedFrom(lineage, focus, way);
  const rows = ids.slice(0, MOST_LISTED).flatMap((id) => {
    const node = lineage.nodes.get(id);
    return node === undefined ? [] : [[link(ownHref(node), node.name), node.kind]];
  });
  return part(
    way === 'to' ? 'breaks' : 'made-of',
    heading,
    table(
      `${way === 'to' ? 'After it' : 'Before it'}: ${shownCount(ids.length)} in all, nearest first`,
      ['name', 'kind'],
      rows,
    ),
  );
}

function lineageHref({ kind, name }: LineageNode): string {
  return pathTo('lineage', kind, name);
}

function ownHref({ kind, name }: LineageNode): string {
  const places = {
    source: 'sources',
    decisions: 'sources',
    view: 'views',
    service: 'services',
    model: 'models',
    'label set': 'label-sets',
  };
  return pathTo(places[kind], name);
}

function listOf(kind: LineageKind): string {
  const lists = {
    source: 'sources',
    decisions: 'sources',
    view: 'views',
    service: 'services',
    model: 'services',
    'label set': 'label-sets',
  };
  return lists[kind];
}
