import { html } from 'hono/html';
import type { LineageGraph, LineageNode } from './lineage-graph.ts';
import type { Markup } from '../page.ts';

const NODE_WIDTH = 170;
const NODE_HEIGHT = 34;
const COLUMN = 230;
const ROW = 46;
const PAD = 12;
const HEAD = 18;
/** A name is cut without a sign of it: the label that is read aloud has to begin with what is seen. */
const SHOWN_CHARS = 25;

/** A graph in columns, from left to right; each node is a link. */
export function graphPlot(title: string, graph: LineageGraph, hrefOf: (node: LineageNode) => string): Markup {
  const columns = [...new Set(graph.nodes.map(({ layer }) => layer))].toSorted((a, b) => a - b);
  const tallest = Math.max(1, ...columns.map((layer) => graph.nodes.filter((node) => node.layer === layer).length));
  const places = new Map<string, { readonly x: number; readonly y: number }>();
  for (const [at, layer] of columns.entries()) {
    const own = graph.nodes.filter((node) => node.layer === layer);
    const offset = ((tallest - own.length) * ROW) / 2;
    for (const [row, { id }] of own.entries())
      places.set(id, { x: PAD + at * COLUMN, y: HEAD + PAD + offset + row * ROW });
  }
  const width = PAD * 2 + (columns.length - 1) * COLUMN + NODE_WIDTH;
  const height = HEAD + PAD * 2 + (tallest - 1) * ROW + NODE_HEIGHT;
  const edges = graph.edges.map(({ from, to }) => {
    const [a, b] = [places.get(from), places.get(to)];
    if (a === undefined || b === undefined) return '';
    const [x1, y1, x2, y2] = [a.x + NODE_WIDTH, a.y + NODE_HEIGHT / 2, b.x, b.y + NODE_HEIGHT / 2];
    const bend = Math.max(30, Math.abs(x2 - x1) / 2);
    return html`<path class="edge" d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}"/>`;
  });
  const nodes = graph.nodes.map((node) => {
    const { x, y } = places.get(node.id)!;
    return html`<a href="${hrefOf(node)}" aria-label="${node.kind} ${node.name}"><title>${node.kind} ${node.name}</title><rect class="node${node.id === graph.focus ? ' here' : ''}" x="${x}" y="${y}" width="${NODE_WIDTH}" height="${NODE_HEIGHT}" rx="5"/><text class="dim" x="${x + 8}" y="${y + 14}">${node.kind}</text> <text x="${x + 8}" y="${y + 28}">${node.name.slice(0, SHOWN_CHARS)}</text></a>`;
  });
  return html`<figure><div class="scroll" role="region" aria-label="${title}" tabindex="0"><svg role="group" aria-label="${title}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${edges}${nodes}</svg></div><figcaption>${title}: ${graph.nodes.length} of ${graph.total} shown</figcaption></figure>`;
}
