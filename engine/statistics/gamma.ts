/** Lanczos, g = 607/128, by Godfrey: right to about 1e-15. */
const G = 607 / 128;
const LANCZOS = [
  57.15623566586292, -59.59796035547549, 14.136097974741746, -0.4919138160976202, 3.399464998481189e-5,
  4.652362892704858e-5, -9.837447530487956e-5, 0.0001580887032249125, -0.00021026444172410488, 0.00021743961811521265,
  -0.0001643181065367639, 8.441822398385275e-5, -2.6190838401581408e-5, 3.6899182659531625e-6,
];
const LANCZOS_FIRST = 0.9999999999999971;
const ROOT_2_PI = Math.sqrt(2 * Math.PI);
const HALF_LOG_2_PI = Math.log(2 * Math.PI) / 2;

/** Below it a factor of a continued fraction is taken for 0 (Lentz). */
const TINY = 1e-300;
const EPSILON = 2 ** -53;

/**
 * The logarithm of Γ(x), right to about 1e-15 of its size, or of 1 where that is more.
 *
 * @param x positive; of others NaN
 * @example
 * logGamma(5); // ln 24
 */
export function logGamma(x: number): number {
  if (!(x > 0)) return Number.NaN;
  let sum = LANCZOS_FIRST;
  for (let index = 0; index < LANCZOS.length; index++) sum += LANCZOS[index]! / (x + index + 1);
  const base = x + G + 0.5;
  return (x + 0.5) * Math.log(base) - base + Math.log((ROOT_2_PI * sum) / x);
}

/**
 * The upper part of the incomplete gamma function, Q(a, x) = Γ(a, x)/Γ(a): small ones keep their digits.
 *
 * @param a positive
 * @param x not negative
 * @example
 * upperGamma(0.5, 1.92073); // 0.05: of a normal number squared, beyond 1.96
 */
export function upperGamma(a: number, x: number): number {
  if (!(a > 0) || !(x >= 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return 0;
  return x < a + 1 ? 1 - lowerSeries(a, x) : upperFraction(a, x);
}

/** The lower part, P(a, x) = 1 − Q(a, x). */
export function lowerGamma(a: number, x: number): number {
  if (!(a > 0) || !(x >= 0)) return Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return 1;
  return x < a + 1 ? lowerSeries(a, x) : 1 - upperFraction(a, x);
}

/** P by its series, of terms that shrink: x < a + 1. */
function lowerSeries(a: number, x: number): number {
  if (x === 0) return 0;
  let term = 1;
  let sum = 1;
  for (let n = 1; term > sum * EPSILON; n++) {
    term *= x / (a + n);
    sum += term;
  }
  return poissonAt(a, x) * sum;
}

/** Q by its continued fraction, by Lentz's method: x >= a + 1. */
function upperFraction(a: number, x: number): number {
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let product = d;
  for (let n = 1; ; n++) {
    const factor = n * (a - n);
    b += 2;
    d = 1 / notZero(factor * d + b);
    c = notZero(b + factor / c);
    const step = d * c;
    product *= step;
    if (Math.abs(step - 1) <= 2 * EPSILON) break;
  }
  return poissonAt(a, x) * a * product;
}

export function notZero(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** x^a · e^−x / Γ(a + 1): Loader's form (2000), which loses no digits where a is large. */
function poissonAt(a: number, x: number): number {
  return Math.exp(-stirlingError(a) - deviance(a, x)) / (ROOT_2_PI * Math.sqrt(a));
}

/** What Stirling's formula lacks: ln Γ(x + 1) − (x + ½) ln x + x − ½ ln 2π. */
export function stirlingError(x: number): number {
  if (x <= 15) return logGamma(x + 1) - (x + 0.5) * Math.log(x) + x - HALF_LOG_2_PI;
  const square = x * x;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / x;
}

/** x ln(x/mean) + mean − x, where x is near the mean too. */
export function deviance(x: number, mean: number): number {
  if (Math.abs(x - mean) >= 0.1 * (x + mean)) return x * Math.log(x / mean) + mean - x;
  const ratio = (x - mean) / (x + mean);
  let sum = (x - mean) * ratio;
  let power = 2 * x * ratio;
  for (let n = 1; ; n++) {
    power *= ratio * ratio;
    const next = sum + power / (2 * n + 1);
    if (next === sum) return sum;
    sum = next;
  }
}
