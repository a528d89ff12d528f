import { deviance, notZero, stirlingError } from './gamma.ts';

const EPSILON = 2 ** -53;

/**
 * The incomplete beta function I_x(a, b): the chance that a number of the distribution Beta(a, b) is at most x. By its continued
 * fraction (Lentz), its factor in Loader's form (2000), so that large a and b lose no digits.
 *
 * @param a positive, as b
 * @param x from 0 to 1
 * @example
 * incompleteBeta(0.5, 2, 2); // 0.5
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) return Number.NaN;
  if (x === 0 || x === 1) return x;
  return x <= (a + 1) / (a + b + 2) ? fraction(x, 1 - x, a, b) : 1 - fraction(1 - x, x, b, a);
}

/**
 * The density of Beta(a, b) at x.
 *
 * @param a at least 1, as b: so the density is finite
 * @param x from 0 to 1
 */
export function betaDensity(x: number, a: number, b: number): number {
  if (x === 0) return a === 1 ? b : 0;
  if (x === 1) return b === 1 ? a : 0;
  return ((binomialAt(x, 1 - x, a, b) / x) * (a * b)) / (a + b) / (1 - x);
}

/** Γ(a + b + 1)/(Γ(a + 1)·Γ(b + 1)) · x^a · y^b, y being 1 − x. */
function binomialAt(x: number, y: number, a: number, b: number): number {
  const n = a + b;
  const errors = stirlingError(n) - stirlingError(a) - stirlingError(b);
  return Math.exp(errors - deviance(a, n * x) - deviance(b, n * y)) * Math.sqrt(n / a / b / (2 * Math.PI));
}

function fraction(x: number, y: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / notZero(1 - ((a + b) * x) / (a + 1));
  let product = d;
  for (let m = 1; ; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / notZero(1 + even * d);
    c = notZero(1 + even / c);
    product *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / notZero(1 + odd * d);
    c = notZero(1 + odd / c);
    const step = d * c;
    product *= step;
    if (Math.abs(step - 1) <= 2 * EPSILON) break;
  }
  return ((binomialAt(x, y, a, b) * b) / (a + b)) * product;
}
