import type { TopLevelSpec } from 'vega-lite';
import { loadOptional } from '../installation/optional-package.ts';
import { LAG_KINDS, type ModeComparison } from './comparison-types.ts';

const LABELS: Readonly<Record<string, string>> = {
  'producer-lag': 'came late to the log',
  'pipeline-lag': 'committed late',
  ahead: 'ahead of its time',
  'not-published': 'not published yet',
  several: 'several of these',
  other: 'other',
};
const COLORS: Readonly<Record<string, string>> = {
  'producer-lag': '#c2410c',
  'pipeline-lag': '#1d4ed8',
  ahead: '#7c3aed',
  'not-published': '#6b7280',
  several: '#0f766e',
  other: '#111827',
};
const KINDS = [...LAG_KINDS, 'several', 'other'] as const;

/** Loaded when a plot is made: it is most of what an export would otherwise have to load. Throws MillraceError `package-missing`. */
export function loadPlotting(): Promise<[typeof import('vega'), typeof import('vega-lite')]> {
  return loadOptional('the plot of a comparison', ['vega', 'vega-lite'], () =>
    Promise.all([import('vega'), import('vega-lite')]),
  );
}

/** Stacked bars: per feature, the share of labels that differ, by the kind of lag that did it. As SVG. */
export async function comparisonPlot(comparison: ModeComparison): Promise<string> {
  const [vega, { compile }] = await loadPlotting();
  const view = new vega.View(vega.parse(compile(specOf(comparison)).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

function specOf({ labels, labelsDiffering, features }: ModeComparison): TopLevelSpec {
  const values = features.flatMap(({ column, split }) =>
    KINDS.map((kind, order) => ({
      column,
      kind: LABELS[kind],
      order,
      share: labels === 0 ? 0 : split[kind] / labels,
    })),
  );
  const present = KINDS.filter((kind) => features.some(({ split }) => split[kind] > 0));
  const shown = present.length === 0 ? KINDS.slice(0, LAG_KINDS.length) : present;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: {
      text: 'What a training set by event time gets wrong',
      subtitle: `${labelsDiffering.toLocaleString('en-US')} of ${labels.toLocaleString('en-US')} labels differ from what was served`,
      anchor: 'start',
      offset: 12,
    },
    background: 'white',
    padding: 12,
    width: 480,
    height: { step: 22 },
    data: { values },
    mark: 'bar',
    encoding: {
      y: {
        field: 'column',
        type: 'nominal',
        sort: features.map(({ column }) => column),
        title: null,
        axis: { labelLimit: 320 },
      },
      x: {
        field: 'share',
        type: 'quantitative',
        stack: 'zero',
        title: 'share of labels that differ',
        axis: { format: '.1%' },
      },
      color: {
        field: 'kind',
        type: 'nominal',
        title: null,
        scale: { domain: shown.map((kind) => LABELS[kind]!), range: shown.map((kind) => COLORS[kind]!) },
        legend: { orient: 'bottom', columns: 3, labelLimit: 0 },
      },
      order: { field: 'order', type: 'quantitative' },
    },
  };
}
