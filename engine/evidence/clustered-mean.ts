import { student95 } from '../statistics/student.ts';
import type { Interval } from '../statistics/wilson.ts';

/** A mean, or a ratio of sums, with 95 %. */
export interface MeanEstimate {
  readonly value: number;
  readonly error: number;
  readonly interval: Interval;
}

/**
 * Σx/Σy over rows of which those of one unit belong together, with its error by the delta method, over units. The interval takes out the skewness of the
 * units' residuals by Hall's transformation (J. R. Statist. Soc. B 54, 1992): a few great weights make it lopsided, as the truth is. Of fewer than two units
 * it is everywhere.
 *
 * @param units the place of each row's unit among all units, from 0
 * @param x of one length with `units`, as y; y is 1 where a mean is wanted
 * @param degrees from how many rows the error itself is known, at least 1: of few the interval is Student's. Default: of so many that it does not matter
 * @example
 * clusteredMean(Int32Array.of(0, 0, 1), Float64Array.of(1, 2, 6), Float64Array.of(1, 1, 1)).value; // 3
 */
export function clusteredMean(
  units: Int32Array,
  x: Float64Array,
  y: Float64Array,
  degrees = Number.POSITIVE_INFINITY,
): MeanEstimate {
  let [over, under] = [0, 0];
  for (let row = 0; row < x.length; row++) {
    over += x[row]!;
    under += y[row]!;
  }
  const value = over / under;
  const count = units.reduce((most, unit) => Math.max(most, unit + 1), 0);
  if (count < 2) return { value, error: Number.POSITIVE_INFINITY, interval: { low: -Infinity, high: Infinity } };
  const residuals = new Float64Array(count);
  for (let row = 0; row < x.length; row++) residuals[units[row]!]! += x[row]! - value * y[row]!;
  let [squares, cubes] = [0, 0];
  for (const residual of residuals) {
    squares += residual ** 2;
    cubes += residual ** 3;
  }
  const error = Math.sqrt((squares * count) / (count - 1)) / Math.abs(under);
  // The skewness of a residual, over the root of their number.
  const skew = squares === 0 ? 0 : (Math.sign(under) * cubes) / squares ** 1.5;
  const reach = student95(degrees);
  return {
    value,
    error,
    interval: { low: value - error * unskewed(reach, skew), high: value - error * unskewed(-reach, skew) },
  };
}

/** Where a mean in its errors is whose transformed, that is nearly normal, is `z`. */
function unskewed(z: number, skew: number): number {
  // Nearer to 0 the difference of two nearly equal numbers would be all that is left.
  if (Math.abs(skew) < 1e-6) return z;
  return (3 / skew) * (Math.cbrt(1 + skew * (z - skew / 6)) - 1);
}

/** The place of each row's unit among all, in the order in which they come. */
export function unitPlaces(units: readonly string[]): Int32Array {
  const places = new Map<string, number>();
  return Int32Array.from(units, (unit) => {
    const place = places.get(unit) ?? places.size;
    places.set(unit, place);
    return place;
  });
}
