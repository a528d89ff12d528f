import type { TopLevelSpec } from 'vega-lite';
import { plotFrame, shareBars, svgOf } from '../training/share-bars.ts';
import type { ComparedFeature, VersionsDiff } from './diff-types.ts';
import type { FeatureTally } from './feature-tally.ts';
import { histogram } from './histogram.ts';

/** A plot among several. */
type Part = Extract<TopLevelSpec, { readonly vconcat: unknown }>['vconcat'][number];

const KINDS = [
  { label: 'other value', color: '#1d4ed8' },
  { label: 'null → value', color: '#0f766e' },
  { label: 'value → null', color: '#c2410c' },
  { label: 'error', color: '#7c3aed' },
] as const;
const COLUMNS = 3;

/**
 * How two versions differ, as SVG: bars of the share of cells per feature, by kind, and below a histogram per feature of how far its numbers
 * are apart.
 *
 * @param tallies of the comparison, for the numbers; features without any have no histogram
 * @throws MillraceError `package-missing`
 */
export function diffPlot(diff: VersionsDiff, tallies: readonly FeatureTally[]): Promise<string> {
  return svgOf(specOf(diff, tallies));
}

function specOf(diff: VersionsDiff, tallies: readonly FeatureTally[]): TopLevelSpec {
  const { view, before, after, entities, isWhole, cells, differing } = diff;
  const named = (version: number | null): string => (version === null ? 'the definition' : `version ${version}`);
  return {
    ...plotFrame(
      `${view}: ${named(after.version)} against ${named(before.version)}`,
      `${shown(differing)} of ${shown(cells)} cells differ; ${shown(entities)} entities${isWhole ? ', all there are' : ', a sample'}`,
    ),
    vconcat: [sharesOf(diff.features), ...histogramRows(tallies)],
  };
}

function sharesOf(features: readonly ComparedFeature[]): Part {
  const parts = features.flatMap((feature) => {
    const { cells, nullToValue, valueToNull, errors } = feature;
    const counts = [feature.differing - nullToValue - valueToNull - errors, nullToValue, valueToNull, errors];
    return KINDS.map(({ label: kind }, order) => ({
      row: feature.feature,
      kind,
      order,
      share: cells === 0 ? 0 : counts[order]! / cells,
    }));
  });
  const rows = features.map(({ feature }) => feature);
  return shareBars({ parts, rows, title: 'share of cells that differ', kinds: KINDS, legendColumns: KINDS.length });
}

/** Rows of histograms, each with a scale of its own. */
function histogramRows(tallies: readonly FeatureTally[]): Part[] {
  const plots = tallies.filter(({ spread }) => spread.count > 0).map(histogramOf);
  const rows: Part[] = [];
  for (let from = 0; from < plots.length; from += COLUMNS) rows.push({ hconcat: plots.slice(from, from + COLUMNS) });
  return rows;
}

function histogramOf({ name, spread }: FeatureTally): Part {
  return {
    title: { text: name, anchor: 'start' },
    width: 150,
    height: 90,
    data: { values: [...histogram(spread.kept)] },
    mark: { type: 'bar', binSpacing: 0, color: KINDS[0].color },
    encoding: {
      x: { field: 'from', type: 'quantitative', bin: 'binned', title: 'after − before', axis: { tickCount: 4 } },
      x2: { field: 'until' },
      y: { field: 'cells', type: 'quantitative', title: 'cells', axis: { tickCount: 3 } },
    },
  };
}

function shown(value: number): string {
  return value.toLocaleString('en-US');
}
