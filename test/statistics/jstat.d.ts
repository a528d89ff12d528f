/** jstat 1.9.6 has no types: what the tests call. */
declare module 'jstat' {
  export const jStat: {
    gammaln(x: number): number;
    lowRegGamma(a: number, x: number): number;
    ibeta(x: number, a: number, b: number): number;
    normal: {
      cdf(x: number, mean: number, deviation: number): number;
      inv(p: number, mean: number, deviation: number): number;
    };
    beta: { pdf(x: number, a: number, b: number): number };
    studentt: { inv(p: number, freedom: number): number };
    chisquare: { cdf(x: number, freedom: number): number };
  };
}
