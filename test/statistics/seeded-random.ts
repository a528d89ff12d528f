/** Numbers by chance that are the same each time: sfc32 (PractRand), seeded by a whole number. */
export interface SeededRandom {
  /** From 0, below 1. */
  readonly uniform: () => number;
  /** Of mean 0 and deviation 1. */
  readonly normal: () => number;
  /** Of mean 1. */
  readonly exponential: () => number;
}

export function seededRandom(seed: number): SeededRandom {
  let [a, b, c, counter] = [0x9e3779b9, seed | 0, Math.trunc(seed / 2 ** 32) | 0, 1];
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let turn = 0; turn < 20; turn++) word();
  const uniform = (): number => (word() * 2 ** 21 + (word() >>> 11)) * 2 ** -53;
  let spare = Number.NaN;
  return {
    uniform,
    exponential: () => -Math.log(1 - uniform()),
    normal() {
      if (!Number.isNaN(spare)) {
        const kept = spare;
        spare = Number.NaN;
        return kept;
      }
      const size = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = size * Math.sin(angle);
      return size * Math.cos(angle);
    },
  };
}
