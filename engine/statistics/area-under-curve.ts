import { type Interval, wilson, Z_95 } from './wilson.ts';

/** How well a number tells two classes apart. */
export interface AreaUnderCurve {
  /** The chance that of a positive and a negative the positive has the greater number, ties counting half: 0.5 tells nothing, 0 as much as 1. */
  readonly area: number;
  /** 95 %. Of rows that are independent of each other. */
  readonly interval: Interval;
}

/** Told of values that are equal: how many there are of each class, and how many of it are less. */
type OnTie = (positives: number, negatives: number, positivesBelow: number, negativesBelow: number) => void;

/**
 * The area under the ROC curve with its interval by DeLong, DeLong & Clarke-Pearson (Biometrics 44, 1988), from sorted values, as Sun & Xu (2014) do.
 * Where the classes do not overlap that has no width: then the area's interval is that of a share of which no case was seen to fail (`wilson`), of as
 * many cases as the smaller class has. With fewer than two of a class it is all there is.
 *
 * @param positives neither empty nor with NaN, as `negatives`; both are sorted in place
 * @example
 * areaUnderCurve(Float64Array.of(2, 3, 4), Float64Array.of(1, 2)).area; // 5.5 of 6 pairs
 */
export function areaUnderCurve(positives: Float64Array, negatives: Float64Array): AreaUnderCurve {
  const [m, n] = [positives.length, negatives.length];
  positives.sort();
  negatives.sort();
  let pairs = 0;
  eachTie(positives, negatives, (ofPositives, ofNegatives, _, below) => {
    pairs += ofPositives * (below + ofNegatives / 2);
  });
  const area = pairs / m / n;
  if (m < 2 || n < 2) return { area, interval: { low: 0, high: 1 } };
  if (area === 0 || area === 1) {
    const few = Math.min(m, n);
    return { area, interval: wilson(area * few, few) };
  }
  let ofPositives = 0;
  let ofNegatives = 0;
  eachTie(positives, negatives, (p, q, positivesBelow, negativesBelow) => {
    const below = (negativesBelow + q / 2) / n - area;
    const above = (m - positivesBelow - p / 2) / m - area;
    ofPositives += p * below * below;
    ofNegatives += q * above * above;
  });
  const error = Math.sqrt(ofPositives / (m - 1) / m + ofNegatives / (n - 1) / n);
  return { area, interval: { low: Math.max(0, area - Z_95 * error), high: Math.min(1, area + Z_95 * error) } };
}

function eachTie(positives: Float64Array, negatives: Float64Array, onTie: OnTie): void {
  let p = 0;
  let n = 0;
  while (p < positives.length || n < negatives.length) {
    const value = Math.min(positives[p] ?? Number.POSITIVE_INFINITY, negatives[n] ?? Number.POSITIVE_INFINITY);
    const [positivesBelow, negativesBelow] = [p, n];
    while (p < positives.length && positives[p] === value) p++;
    while (n < negatives.length && negatives[n] === value) n++;
    onTie(p - positivesBelow, n - negativesBelow, positivesBelow, negativesBelow);
  }
}
