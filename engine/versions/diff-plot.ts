import type { TopLevelSpec } from 'vega-lite';
import { loadPlotting } from '../training/comparison-plot.ts';
import type { ComparedFeature, VersionsDiff } from './diff-types.ts';
import type { FeatureTally } from './feature-tally.ts';

/** A plot among several. */
type Part = Extract<TopLevelSpec, { readonly vconcat: unknown }>['vconcat'][number];

const KINDS = ['other value', 'null → value', 'value → null', 'error'] as const;
const COLORS = ['#1d4ed8', '#0f766e', '#c2410c', '#7c3aed'] as const;
const BINS = 30;
const COLUMNS = 3;

/**
 * How two versions differ, as SVG: bars of the share of cells per feature, by kind, and below a histogram per feature of how far its numbers
 * are apart.
 *
 * @param tallies of the comparison, for the numbers; features without any have no histogram
 * @throws MillraceError `package-missing`
 */
export async function diffPlot(diff: VersionsDiff, tallies: readonly FeatureTally[]): Promise<string> {
  const [vega, { compile }] = await loadPlotting();
  const view = new vega.View(vega.parse(compile(specOf(diff, tallies)).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

function specOf(diff: VersionsDiff, tallies: readonly FeatureTally[]): TopLevelSpec {
  const { view, before, after, entities, isWhole, cells, differing } = diff;
  const named = (version: number | null): string => (version === null ? 'the definition' : `version ${version}`);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: {
      text: `${view}: ${named(after.version)} against ${named(before.version)}`,
      subtitle: `${shown(differing)} of ${shown(cells)} cells differ; ${shown(entities)} entities${isWhole ? ', all there are' : ', a sample'}`,
      anchor: 'start',
      offset: 12,
    },
    background: 'white',
    padding: 12,
    vconcat: [sharesOf(diff.features), ...histogramRows(tallies)],
  };
}

function sharesOf(features: readonly ComparedFeature[]): Part {
  const values = features.flatMap((feature) => {
    const { cells, nullToValue, valueToNull, errors } = feature;
    const counts = [feature.differing - nullToValue - valueToNull - errors, nullToValue, valueToNull, errors];
    return KINDS.map((kind, order) => ({
      feature: feature.feature,
      kind,
      order,
      share: cells === 0 ? 0 : counts[order]! / cells,
    }));
  });
  return {
    width: 480,
    height: { step: 22 },
    data: { values },
    mark: 'bar',
    encoding: {
      y: {
        field: 'feature',
        type: 'nominal',
        sort: features.map(({ feature }) => feature),
        title: null,
        axis: { labelLimit: 320 },
      },
      x: {
        field: 'share',
        type: 'quantitative',
        stack: 'zero',
        title: 'share of cells that differ',
        axis: { format: '.1%' },
      },
      color: {
        field: 'kind',
        type: 'nominal',
        title: null,
        scale: { domain: [...KINDS], range: [...COLORS] },
        legend: { orient: 'bottom', columns: KINDS.length, labelLimit: 0 },
      },
      order: { field: 'order', type: 'quantitative' },
    },
  };
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
    data: { values: histogram(spread.kept) },
    mark: { type: 'bar', binSpacing: 0, color: COLORS[0] },
    encoding: {
      x: { field: 'from', type: 'quantitative', bin: 'binned', title: 'after − before', axis: { tickCount: 4 } },
      x2: { field: 'until' },
      y: { field: 'cells', type: 'quantitative', title: 'cells', axis: { tickCount: 3 } },
    },
  };
}

/** Counts numbers in stretches of equal length. What lies outside of all but a hundredth at either end counts in the outermost ones. */
export function histogram(numbers: readonly number[]): { from: number; until: number; cells: number }[] {
  const sorted = numbers.toSorted((a, b) => a - b);
  const low = sorted[Math.floor(sorted.length * 0.01)] ?? 0;
  const high = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
  // By halves: the whole may be more than any double.
  const width = high / BINS - low / BINS;
  if (!(width > 0)) return [{ from: low - 0.5, until: low + 0.5, cells: numbers.length }];
  const bins = Array.from({ length: BINS }, (_, bin) => ({
    from: low + bin * width,
    until: low + (bin + 1) * width,
    cells: 0,
  }));
  for (const number of numbers) {
    const bin = Math.floor(number / width - low / width);
    bins[Math.max(0, Math.min(BINS - 1, bin))]!.cells++;
  }
  return bins;
}

function shown(value: number): string {
  return value.toLocaleString('en-US');
}
