import type { TopLevelSpec } from 'vega-lite';
import { svgOf } from '../training/share-bars.ts';
import type { CurvePoint } from './curve.ts';
import type { Distribution } from './distribution.ts';
import type { TriedFeature, TriedLabel } from './try-report.ts';

const BLUE = '#1d4ed8';
const ORANGE = '#c2410c';
const [WIDTH, HEIGHT] = [300, 130];
const MS_PER_US = 0.001;

/** The two plots of a feature, as SVG: how its values are spread, and where there is a label, how that goes with them. Throws MillraceError `package-missing`. */
export async function featurePlots(feature: TriedFeature, label: TriedLabel | null): Promise<readonly string[]> {
  const isTime = feature.type === 'timestamp' || feature.type === 'date';
  const specs = [spreadSpec(feature.distribution, isTime), label && curveSpec(feature.curve, label, isTime)];
  const svgs: string[] = [];
  for (const spec of specs) if (spec !== null) svgs.push(await svgOf(spec));
  return svgs;
}

function framed(spec: Pick<Extract<TopLevelSpec, { mark: unknown }>, 'data' | 'mark' | 'encoding'>): TopLevelSpec {
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 4,
    width: WIDTH,
    height: HEIGHT,
    ...spec,
  };
}

function spreadSpec(distribution: Distribution | null, isTime: boolean): TopLevelSpec | null {
  if (distribution === null || distribution.kind === 'hidden') return null;
  if (distribution.kind !== 'number') return topSpec(distribution);
  const scale = isTime ? MS_PER_US : 1;
  const values = distribution.bins.map(({ from, until, cells }) => ({
    from: from * scale,
    until: until * scale,
    cells,
  }));
  return framed({
    data: { values },
    mark: { type: 'bar', binSpacing: 0, color: BLUE },
    encoding: {
      x: {
        field: 'from',
        type: isTime ? 'temporal' : 'quantitative',
        ...(isTime ? {} : { bin: 'binned' as const }),
        title: 'value',
        axis: { tickCount: 5 },
      },
      x2: { field: 'until' },
      y: { field: 'cells', type: 'quantitative', title: 'rows', axis: { tickCount: 3 } },
    },
  });
}

function topSpec({ top }: Extract<Distribution, { kind: 'category' | 'collection' }>): TopLevelSpec {
  return framed({
    data: { values: top.map(({ value, rows }) => ({ value, rows })) },
    mark: { type: 'bar', color: BLUE },
    encoding: {
      y: {
        field: 'value',
        type: 'nominal',
        sort: top.map(({ value }) => value),
        title: null,
        axis: { labelLimit: 120 },
      },
      x: { field: 'rows', type: 'quantitative', title: 'rows', axis: { tickCount: 4 } },
    },
  });
}

/** The label at each point, with its interval. */
function curveSpec(curve: readonly CurvePoint[] | null, label: TriedLabel, isTime: boolean): TopLevelSpec | null {
  if (curve === null || curve.length === 0) return null;
  const title = label.positive === null ? `mean ${label.column}` : `share of ${label.positive.value}`;
  const scale = isTime ? MS_PER_US : 1;
  const values = curve.map(({ at, value, mean, low, high }) => ({ at: value ?? (at ?? 0) * scale, mean, low, high }));
  const isCategory = curve[0]!.value !== null;
  const x = {
    field: 'at',
    type: isCategory ? ('nominal' as const) : isTime ? ('temporal' as const) : ('quantitative' as const),
    title: isCategory ? null : 'value (mean of a tenth of the rows)',
    axis: { tickCount: 5, labelLimit: 80 },
    ...(isCategory || isTime ? {} : { scale: { zero: false } }),
  };
  const y = { field: 'mean', type: 'quantitative' as const, title, scale: { zero: label.positive !== null } };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 4,
    width: WIDTH,
    height: HEIGHT,
    data: { values },
    layer: [
      {
        mark: { type: 'rule', color: ORANGE },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      { mark: { type: 'point', color: ORANGE, filled: true, size: 36 }, encoding: { x, y } },
    ],
  };
}
