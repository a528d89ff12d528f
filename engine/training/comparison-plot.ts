import type { TopLevelSpec } from 'vega-lite';
import { LAG_KINDS, type ModeComparison } from './comparison-types.ts';
import { plotFrame, shareBars, svgOf } from './share-bars.ts';

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

/** Stacked bars: per feature, the share of labels that differ, by the kind of lag that did it. As SVG. */
export function comparisonPlot(comparison: ModeComparison): Promise<string> {
  return svgOf(specOf(comparison));
}

function specOf({ labels, labelsDiffering, features }: ModeComparison): TopLevelSpec {
  const parts = features.flatMap(({ column, split }) =>
    KINDS.map((kind, order) => ({
      row: column,
      kind: LABELS[kind]!,
      order,
      share: labels === 0 ? 0 : split[kind] / labels,
    })),
  );
  const present = KINDS.filter((kind) => features.some(({ split }) => split[kind] > 0));
  const shown = present.length === 0 ? KINDS.slice(0, LAG_KINDS.length) : present;
  return {
    ...plotFrame(
      'What a training set by event time gets wrong',
      `${labelsDiffering.toLocaleString('en-US')} of ${labels.toLocaleString('en-US')} labels differ from what was served`,
    ),
    ...shareBars({
      parts,
      rows: features.map(({ column }) => column),
      title: 'share of labels that differ',
      kinds: shown.map((kind) => ({ label: LABELS[kind]!, color: COLORS[kind]! })),
      legendColumns: 3,
    }),
  };
}
