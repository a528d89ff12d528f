import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawOfUnit, placeOfUnit, variantAt } from '../../engine/evidence/assignment.ts';
import { randomAt } from '../../engine/evidence/counter-random.ts';
import { sampleRatio } from '../../engine/evidence/sample-ratio.ts';
import { checkShares } from '../../engine/evidence/variant-shares.ts';
import { chiSquareTail } from '../../engine/statistics/chi-square.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

interface Vectors {
  readonly places: readonly { salt: string; unit: string; first53Bits: number; place: number }[];
  readonly draws: readonly { salt: string; revision: number; unit: string; first53Bits: number; draw: number }[];
}
const vectors = JSON.parse(readFileSync(new URL('assignment-vectors.json', import.meta.url), 'utf8')) as Vectors;

const PLACES = 20_000;
const CELLS = 20;
/** Below it a law of chance does not hold: with the seeds of the normal form it either always does or never. */
const LEVEL = 1e-6;

const rollout = (share: number) => [
  { variant: 'candidate', share },
  { variant: 'against', share: 1 - share },
];

test('places and draws are those of the vectors, which another language made', () => {
  for (const { salt, unit, first53Bits, place } of vectors.places) {
    expect(placeOfUnit(salt, unit)).toBe(place);
    expect(first53Bits / 2 ** 53).toBe(place);
  }
  for (const { salt, revision, unit, first53Bits, draw } of vectors.draws) {
    expect(drawOfUnit(salt, revision, unit)).toBe(draw);
    expect(first53Bits / 2 ** 53).toBe(draw);
  }
  expect(vectors.places.length + vectors.draws.length).toBeGreaterThan(10);
});

describe('places', () => {
  const bySalt = simulationSeeds('salts of assignments', 3);

  test.each(bySalt)('of salt %i are uniform, over units that are much alike', (seed) => {
    const counts = new Array<number>(CELLS).fill(0);
    for (let unit = 0; unit < PLACES; unit++) counts[Math.floor(placeOfUnit(`salt-${seed}`, String(unit)) * CELLS)]!++;
    expect(uniformChance(counts)).toBeGreaterThan(LEVEL);
  });

  test.each(bySalt)(
    'of salt %i and another are independent, as those of a revision and the next, and of a unit and its next numbers',
    (seed) => {
      const pairs: readonly ((unit: string) => readonly [number, number])[] = [
        (unit) => [placeOfUnit(`salt-${seed}`, unit), placeOfUnit(`salt-${seed + 1}`, unit)],
        (unit) => [drawOfUnit(`salt-${seed}`, 1, unit), drawOfUnit(`salt-${seed}`, 2, unit)],
        (unit) => [placeOfUnit(`salt-${seed}`, unit), drawOfUnit(`salt-${seed}`, 0, unit)],
        (unit) => [randomAt(`seed-${seed}`, unit, 0), randomAt(`seed-${seed}`, unit, 1)],
      ];
      for (const pair of pairs) {
        const counts = new Array<number>(100).fill(0);
        for (let unit = 0; unit < PLACES; unit++) {
          const [a, b] = pair(String(unit));
          counts[Math.floor(a * 10) * 10 + Math.floor(b * 10)]!++;
        }
        expect(uniformChance(counts)).toBeGreaterThan(LEVEL);
      }
    },
  );

  test('of a bad hash are found out', () => {
    const counts = new Array<number>(CELLS).fill(0);
    for (let unit = 0; unit < PLACES; unit++) counts[Math.floor(placeOfUnit('s', String(unit)) ** 1.05 * CELLS)]!++;
    expect(uniformChance(counts)).toBeLessThan(LEVEL);
  });
});

describe('variants', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });

  test('stay where they are, but for those that a growing share moves to the candidate', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), share, share, (salt, unit, one, other) => {
        const place = placeOfUnit(salt, unit);
        expect(placeOfUnit(salt, unit)).toBe(place);
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        if (variantAt(place, rollout(less)) === 'candidate') expect(variantAt(place, rollout(more))).toBe('candidate');
        expect(variantAt(place, rollout(less)) === 'candidate').toBe(place < less);
      }),
      lawRuns(1000),
    );
  });

  test('have the shares that they are given, one that has none no unit, and the last what rounding leaves', () => {
    const shares = [0.1, 0, 0.3, 0.6].map((each, index) => ({ variant: `v${index}`, share: each }));
    checkShares(shares);
    const units = new Map<string, number>();
    for (let unit = 0; unit < PLACES; unit++) {
      const variant = variantAt(placeOfUnit('shares', String(unit)), shares);
      units.set(variant, (units.get(variant) ?? 0) + 1);
    }
    expect([...units.keys()].sort()).toEqual(['v0', 'v2', 'v3']);
    expect(sampleRatio(units, shares).p).toBeGreaterThan(LEVEL);
    const short = [
      { variant: 'a', share: 0.5 },
      { variant: 'b', share: 0.4999999999 },
      { variant: 'c', share: 0 },
    ];
    checkShares(short);
    expect(variantAt(1 - 2 ** -53, short)).toBe('b');
    expect(variantAt(0, rollout(0))).toBe('against');
    // Intervals are half open.
    expect(variantAt(0.25, rollout(0.25))).toBe('against');
    expect(variantAt(0.25 - 2 ** -53, rollout(0.25))).toBe('candidate');
  });

  test.each([
    ['none', []],
    ['one name twice', [0.5, 0.5].map((each) => ({ variant: 'a', share: each }))],
    [
      'a negative one',
      [
        { variant: 'a', share: -0.5 },
        { variant: 'b', share: 1.5 },
      ],
    ],
    ['one that is none', [{ variant: 'a', share: Number.NaN }]],
    ['less than 1', rollout(0.2).slice(0, 1)],
  ])('with shares of which there are %s are refused', (_, shares) => {
    expect(() => checkShares(shares)).toThrow(expect.objectContaining({ code: 'invalid-shares' }));
  });
});

describe('the sample ratio', () => {
  test('of published counts is the published one', () => {
    // Mendel's round and wrinkled peas, 5474 and 1850 for 3 to 1: χ² = 0.263, p = 0.608.
    const shares = [
      { variant: 'round', share: 0.75 },
      { variant: 'wrinkled', share: 0.25 },
    ];
    const { statistic, p } = sampleRatio(
      new Map([
        ['round', 5474],
        ['wrinkled', 1850],
      ]),
      shares,
    );
    expect(statistic).toBeCloseTo(0.263, 3);
    expect(p).toBeCloseTo(0.608, 3);
  });

  test('alarms in one of a thousand where nothing is wrong, and where a tenth of a variant is lost', () => {
    const seeds = simulationSeeds('sample ratio', 2000);
    let [alarms, found] = [0, 0];
    for (const [run, seed] of seeds.entries()) {
      const { uniform } = seededRandom(seed);
      let candidates = 0;
      for (let unit = 0; unit < 400; unit++) if (uniform() < 0.1) candidates++;
      if (ratioOf(candidates, 400 - candidates, 0.1)) alarms++;
      if (run >= 100) continue;
      let kept = 0;
      for (let unit = 0; unit < 10_000; unit++) if (uniform() < 0.9) kept++;
      if (ratioOf(kept, 10_000, 0.5)) found++;
    }
    // Of 2,000 runs 2 are expected; more than 10 are in one of 100,000.
    expect(alarms / seeds.length).toBeLessThanOrEqual(0.005);
    expect(found).toBeGreaterThan(80);
  });

  test('is not told of too few, and is off where a variant has units and no share', () => {
    expect(ratioOf(9, 0, 0.5)).toBe(false);
    expect(sampleRatio(new Map(), rollout(0.5)).p).toBeNull();
    expect(sampleRatio(new Map([['against', 500]]), rollout(0)).p).toBe(1);
    expect(
      sampleRatio(
        new Map([
          ['candidate', 1],
          ['against', 500],
        ]),
        rollout(0),
      ),
    ).toMatchObject({ p: 0, isMismatch: true });
    expect(sampleRatio(new Map([['stranger', 1]]), rollout(0.5)).isMismatch).toBe(true);
  });
});

function ratioOf(candidate: number, against: number, share: number): boolean {
  return sampleRatio(
    new Map([
      ['candidate', candidate],
      ['against', against],
    ]),
    rollout(share),
  ).isMismatch;
}

/** The chance of counts so far from equal ones. */
function uniformChance(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return chiSquareTail(
    counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0),
    counts.length - 1,
  );
}
