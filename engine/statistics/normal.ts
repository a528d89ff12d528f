import { lowerGamma, upperGamma } from './gamma.ts';

const ROOT_2_PI = Math.sqrt(2 * Math.PI);

/** The density of the normal distribution of mean 0 and deviation 1. */
export function normalDensity(z: number): number {
  return Math.exp(-(z * z) / 2) / ROOT_2_PI;
}

/**
 * The chance that a normal number is at most z. Far below 0 it keeps its digits: above 0 take `normalCdf(-z)` for what is left.
 *
 * @example
 * normalCdf(1.959963984540054); // 0.975
 */
export function normalCdf(z: number): number {
  const half = (z * z) / 2;
  return z <= 0 ? upperGamma(0.5, half) / 2 : 0.5 + lowerGamma(0.5, half) / 2;
}

// Wichura, AS 241 (Applied Statistics 37, 1988), PPND16: about 1e-16, relative.
const MIDDLE_OVER = [
  2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
  1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
];
const MIDDLE_UNDER = [
  5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
  687.1870074920579083, 42.313330701600911252, 1,
];
const NEAR_OVER = [
  7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
  3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
];
const NEAR_UNDER = [
  1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
  0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1,
];
const FAR_OVER = [
  2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
  0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
];
const FAR_UNDER = [
  2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
  0.0148753612908506148525, 0.1369298809227358053, 0.59983220655588793769, 1,
];

/**
 * The number that a normal one is at most with chance `p`.
 *
 * @param p from 0, which gives −Infinity, to 1
 * @example
 * normalQuantile(0.975); // 1.959963984540054
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0) || !(p <= 1)) return Number.NaN;
  const off = p - 0.5;
  if (Math.abs(off) <= 0.425) {
    const r = 0.180625 - off * off;
    return (off * polynomial(MIDDLE_OVER, r)) / polynomial(MIDDLE_UNDER, r);
  }
  const r = Math.sqrt(-Math.log(off < 0 ? p : 1 - p));
  if (r === Number.POSITIVE_INFINITY) return off < 0 ? Number.NEGATIVE_INFINITY : r;
  const size =
    r <= 5
      ? polynomial(NEAR_OVER, r - 1.6) / polynomial(NEAR_UNDER, r - 1.6)
      : polynomial(FAR_OVER, r - 5) / polynomial(FAR_UNDER, r - 5);
  return off < 0 ? -size : size;
}

/** By Horner, the highest power's coefficient first. */
function polynomial(coefficients: readonly number[], x: number): number {
  let value = 0;
  for (const coefficient of coefficients) value = value * x + coefficient;
  return value;
}
