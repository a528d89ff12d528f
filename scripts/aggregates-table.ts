import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AGGREGATE_FACTS, type AggregateFacts, DIVIDED_MEASURED } from './aggregate-facts.ts';

const ROOT = join(import.meta.dirname, '..');
const BEGIN = '<!-- written by node scripts/write-aggregates-table.ts: -->\n';
const END = '<!-- up to here -->\n';

interface Figures {
  readonly eventNs: number;
  readonly readNs: number;
  readonly tileBytes: number;
}

/** What `bench/micro/aggregates.ts` measured and wrote, by case. */
export function aggregateFigures(): Readonly<Record<string, Figures>> {
  return JSON.parse(readFileSync(join(ROOT, 'bench/micro/aggregates.json'), 'utf8')) as Record<string, Figures>;
}

/**
 * The guide to features with the table of aggregates written anew.
 *
 * @param page as it is
 * @example
 * writeFileSync('docs/features.md', withAggregatesTable(readFileSync('docs/features.md', 'utf8')));
 */
export function withAggregatesTable(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/features.md lacks the marks ${BEGIN}${END}`);
  return `${before}${BEGIN}${aggregatesTable()}${END}${after}`;
}

function aggregatesTable(): string {
  const figures = aggregateFigures();
  const rows = Object.values(AGGREGATE_FACTS).map((facts) => [
    `\`${facts.call}\``,
    facts.result,
    nullWhen(facts),
    facts.errors.map((code) => `\`${code}\``).join(', ') || 'none',
    facts.keeps,
    ...costs(facts.measured, figures),
  ]);
  const divided = [
    '`.by(c, { limit? })` of it, 20 categories',
    'map of c to its',
    'no category has a value',
    '`too-many-distinct`, its own',
    'the categories, `limit` at most, and for each what it keeps; beyond it that fact alone',
    ...costs(DIVIDED_MEASURED, figures),
  ];
  const head = ['aggregate', 'result', 'null', 'errors', 'a tile keeps', 'bytes a tile', 'ns an event', 'µs a read'];
  return [head, head.map(() => '---'), ...rows, divided].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

function nullWhen({ fewest, fewestOfAll }: AggregateFacts): string {
  if (fewest === 0) return 'never: 0';
  if (fewest === 1) return 'of none';
  return `below ${fewest} values${fewestOfAll === undefined ? '' : ` (population: ${fewestOfAll})`}`;
}

/** Three cells: bytes, ns and µs, a line for each that was measured. */
function costs(measured: Readonly<Record<string, string>>, figures: Readonly<Record<string, Figures>>): string[] {
  const entries = Object.entries(measured).map(([of, name]) => {
    const found = figures[name];
    if (found === undefined) throw new Error(`bench/micro/aggregates.json has no figures of "${name}"`);
    return { of, ...found };
  });
  return [
    entries.map(({ of, tileBytes }) => `${of}: ${tileBytes}`).join('<br>'),
    entries.map(({ eventNs }) => eventNs).join('<br>'),
    entries.map(({ readNs }) => Number((readNs / 1000).toPrecision(2))).join('<br>'),
  ];
}
