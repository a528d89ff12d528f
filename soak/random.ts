/** A seeded source of randomness: the same seed gives the same run of values. */
export interface Random {
  /** In [0, 1). */
  real(): number;
  /** A whole number in [from, until). */
  int(from: number, until: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** A source of its own, that does not depend on how far this one has got. */
  fork(label: string): Random;
}

/**
 * SplitMix32 over a 32-bit state: short, and good enough for choosing what to do next.
 *
 * @example
 * const random = seededRandom(7);
 * random.fork('producer').int(0, 10);
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const real = (): number => next() / 2 ** 32;
  const int = (from: number, until: number): number => from + Math.floor(real() * (until - from));
  return {
    real,
    int,
    chance: (probability) => real() < probability,
    pick: (items) => items[int(0, items.length)]!,
    fork: (label) => seededRandom(hashOf(`${seed}/${label}`)),
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
