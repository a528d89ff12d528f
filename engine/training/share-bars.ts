import type { TopLevelSpec } from 'vega-lite';
import { loadOptional } from '../installation/optional-package.ts';

/** A share of one row, of one kind. */
export interface SharePart {
  readonly row: string;
  readonly kind: string;
  /** Where it stands in its bar. */
  readonly order: number;
  /** 0 to 1. */
  readonly share: number;
}

export interface ShareBars {
  readonly parts: readonly SharePart[];
  /** Names of the rows, from the top. */
  readonly rows: readonly string[];
  /** What a share is of. */
  readonly title: string;
  readonly kinds: readonly { readonly label: string; readonly color: string }[];
  readonly legendColumns: number;
}

/** Stacked bars, a row each, as a part of a plot. */
export function shareBars({ parts, rows, title, kinds, legendColumns }: ShareBars) {
  return {
    width: 480,
    height: { step: 22 },
    data: { values: parts.map((part) => ({ ...part })) },
    mark: 'bar' as const,
    encoding: {
      y: { field: 'row', type: 'nominal' as const, sort: [...rows], title: null, axis: { labelLimit: 320 } },
      x: { field: 'share', type: 'quantitative' as const, stack: 'zero' as const, title, axis: { format: '.1%' } },
      color: {
        field: 'kind',
        type: 'nominal' as const,
        title: null,
        scale: { domain: kinds.map(({ label }) => label), range: kinds.map(({ color }) => color) },
        legend: { orient: 'bottom' as const, columns: legendColumns, labelLimit: 0 },
      },
      order: { field: 'order', type: 'quantitative' as const },
    },
  };
}

/** What every plot has: a title with a line below it, on white. */
export function plotFrame(text: string, subtitle: string) {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text, subtitle, anchor: 'start' as const, offset: 12 },
    background: 'white',
    padding: 12,
  };
}

/** Loaded when a plot is made: it is most of what an export would otherwise have to load. Throws MillraceError `package-missing`. */
export function loadPlotting(): Promise<[typeof import('vega'), typeof import('vega-lite')]> {
  return loadOptional('plots', ['vega', 'vega-lite'], () => Promise.all([import('vega'), import('vega-lite')]));
}

/** A plot as SVG. Throws what `loadPlotting` throws. */
export async function svgOf(spec: TopLevelSpec): Promise<string> {
  const [vega, { compile }] = await loadPlotting();
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
