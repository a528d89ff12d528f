import { clusteredMean, type MeanEstimate, unitPlaces } from '../evidence/clustered-mean.ts';
import { Z_95 } from '../statistics/wilson.ts';

/** A request that was scored, and how far the score was off: its log loss, or squared error. */
export interface Loss {
  readonly request: string;
  readonly unit: string;
  readonly loss: number;
}

/** Two models on the same days. Differences are the first's mean loss less the second's: below 0 the first is better. */
export interface Comparison {
  readonly first: string;
  readonly second: string;
  readonly measure: 'log loss' | 'squared error';
  /** Over all rows of each. Null while one has none. */
  readonly all: MeanEstimate | null;
  /** Over requests that both scored, which lacks what requests differ by. Null where there is none. */
  readonly paired: { readonly requests: number; readonly units: number; readonly difference: MeanEstimate } | null;
}

/** Compares losses of two models. A request that one scored twice counts by its first row there. */
export function compareLosses(first: readonly Loss[], second: readonly Loss[]): Pick<Comparison, 'all' | 'paired'> {
  const others = new Map<string, number>();
  for (const { request, loss } of second) if (!others.has(request)) others.set(request, loss);
  const pairs: Loss[] = [];
  for (const { request, unit, loss } of first) {
    const other = others.get(request);
    if (other === undefined) continue;
    others.delete(request);
    pairs.push({ request, unit, loss: loss - other });
  }
  const units = unitPlaces(pairs.map(({ unit }) => unit));
  return {
    all: first.length === 0 || second.length === 0 ? null : differenceOfMeans(first, second),
    paired:
      pairs.length === 0
        ? null
        : {
            requests: pairs.length,
            units: new Set(units).size,
            difference: clusteredMean(
              units,
              Float64Array.from(pairs, ({ loss }) => loss),
              new Float64Array(pairs.length).fill(1),
            ),
          },
  };
}

/** Units may be on both sides: what one of them is off belongs together. */
function differenceOfMeans(first: readonly Loss[], second: readonly Loss[]): MeanEstimate {
  const meanOf = (side: readonly Loss[]): number => side.reduce((sum, { loss }) => sum + loss, 0) / side.length;
  const [a, b] = [meanOf(first), meanOf(second)];
  const residuals = new Map<string, number>();
  const add = (side: readonly Loss[], mean: number, sign: number): void => {
    for (const { unit, loss } of side)
      residuals.set(unit, (residuals.get(unit) ?? 0) + (sign * (loss - mean)) / side.length);
  };
  add(first, a, 1);
  add(second, b, -1);
  const count = residuals.size;
  const value = a - b;
  if (count < 2) return { value, error: Infinity, interval: { low: -Infinity, high: Infinity } };
  let squares = 0;
  for (const residual of residuals.values()) squares += residual ** 2;
  const error = Math.sqrt((squares * count) / (count - 1));
  return { value, error, interval: { low: value - Z_95 * error, high: value + Z_95 * error } };
}
