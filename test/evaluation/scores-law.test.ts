/** What is reported of scores is what a naive reading of the rows says. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SideReport } from '../../engine/evaluation/evaluation-report.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { evaluated, told, type Told } from './evaluation-world.ts';

const SCORES = [0, 0.1, 0.5, 0.9, 1];
const of = fc.record({
  version: fc.constantFrom(1, 1, 2),
  isShadow: fc.boolean(),
  unit: fc.constantFrom(null, 'a', 'b', 'c'),
  score: fc.oneof(
    { weight: 3, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
    { weight: 2, arbitrary: fc.constantFrom(...SCORES) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  label: fc.oneof({
    weight: 8,
    arbitrary: fc.constantFrom<(number | boolean | null)[]>(0, 1, 0, 1, true, false, null),
  }),
  kind: fc.constantFrom<Told['kind'][]>(undefined, undefined, undefined, undefined, 'immature', 'left-out'),
  origin: fc.constantFrom('LAS', 'PHL', null),
  failed: fc.boolean(),
});

interface Row extends Told {
  readonly request: string;
}

function rowsOf(all: readonly (typeof of extends fc.Arbitrary<infer T> ? T : never)[]): Row[] {
  return all.map(({ isShadow, origin, failed, version, ...rest }, n) => {
    const id = `d${n}`;
    // A shadow is of the decision before it.
    const shadowOf = isShadow ? `d${Math.max(0, n - 1)}` : undefined;
    return {
      ...rest,
      version,
      id,
      shadowOf,
      request: shadowOf ?? id,
      context: { origin },
      ...(failed ? { error: 'x' } : {}),
    };
  });
}

// Naive, and in other ways than the engine's.
const clip = (score: number): number => Math.min(1 - 1e-15, Math.max(1e-15, score));
const loss = ({ score, label }: Row): number => (label ? -Math.log(clip(score!)) : -Math.log(clip(1 - score!)));
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const unitOf = (row: Row): string => row.unit ?? row.request;

function pairsWon(rows: readonly Row[]): number | null {
  const [yes, no] = [rows.filter(({ label }) => label), rows.filter(({ label }) => !label)];
  if (yes.length === 0 || no.length === 0) return null;
  let won = 0;
  for (const a of yes) for (const b of no) won += (1 + Math.sign(a.score! - b.score!)) / 2;
  return won / yes.length / no.length;
}

/** Of a mean, by leaving one unit's residual after the other out of nothing: the plain sum over units. */
function errorOf(rows: readonly Row[], valueOf: (row: Row) => number): number {
  const all = mean(rows.map(valueOf));
  const units = [...new Set(rows.map(unitOf))];
  if (units.length < 2) return Number.POSITIVE_INFINITY;
  const sums = units.map((unit) => mean(rows.map((row) => (unitOf(row) === unit ? valueOf(row) - all : 0))));
  return Math.sqrt((sums.reduce((a, b) => a + b * b, 0) * units.length) / (units.length - 1));
}

function expectMeasures(side: SideReport['measures'], rows: readonly Row[], base: number | undefined): void {
  if (side.kind !== 'chance') throw new Error('expected chances');
  const positives = rows.filter(({ label }) => label).length;
  expect([side.rows, side.positives]).toEqual([rows.length, positives]);
  expect(side.logLoss.value).toBeCloseTo(mean(rows.map(loss)), 9);
  const error = errorOf(rows, loss);
  if (Number.isFinite(error)) expect(side.logLoss.error).toBeCloseTo(error, 9);
  else expect(side.logLoss.error).toBe(error);
  const rate = clip(base ?? positives / rows.length);
  const given = mean(rows.map(({ label }) => -Math.log(label ? rate : 1 - rate)));
  expect(side.baseLogLoss).toBeCloseTo(given, 9);
  expect(side.gain.value).toBeCloseTo(given - mean(rows.map(loss)), 9);
  const won = pairsWon(rows);
  if (won === null) expect(side.area).toBeNull();
  else expect(side.area!.area).toBeCloseTo(won, 12);
  expect(side.calibration.bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(rows.length);
  let error10 = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const bin of side.calibration.bins) {
    const own = rows.filter(({ score }) => score! > until && score! <= bin.until);
    until = bin.until;
    expect(own).toHaveLength(bin.rows);
    expect(bin.share).toBeCloseTo(mean(own.map(({ label }) => (label ? 1 : 0))), 12);
    error10 += (own.length / rows.length) * Math.abs(mean(own.map(({ score, label }) => score! - (label ? 1 : 0))));
  }
  expect(side.calibration.error).toBeCloseTo(error10, 9);
}

const isLabelled = ({ label, kind }: Row): boolean => kind === undefined && label !== null;

test('of random logs each figure is the naive one, over all, per segment and paired; order and rows that come twice change nothing', async () => {
  const property = fc.asyncProperty(
    fc.array(of, { minLength: 8, maxLength: 120 }),
    fc.constantFrom(undefined, 0.25),
    async (all, base) => {
      const rows = rowsOf(all);
      const own = rows.filter((row) => row.version === 1 && isLabelled(row));
      const other = rows.filter((row) => row.version === 2 && isLabelled(row));
      const scored = own.filter(({ score }) => score !== null);
      const others = other.filter(({ score }) => score !== null);
      fc.pre(scored.length > 0 && others.length > 0);
      const ask = {
        against: { model: 'late', version: 2 },
        segments: ['origin'],
        ...(base === undefined ? {} : { baseRate: { value: base, of: 'asked' as const } }),
      };
      const decisions = rows.map(told);
      const report = await evaluated(decisions, ask);
      const [side, against] = report.sides;
      expect(side).toMatchObject({
        rows: scored.length,
        acted: scored.filter(({ shadowOf }) => shadowOf === undefined).length,
        units: new Set(scored.map(unitOf)).size,
        withoutScore: own.length - scored.length,
        failed: own.filter(({ error }) => error !== undefined).length,
      });
      expect(report.counts.immature).toBe(rows.filter(({ kind }) => kind === 'immature').length);
      expect(report.withoutLabel).toBe(rows.filter(({ kind, label }) => kind === undefined && label === null).length);
      expectMeasures(side!.measures, scored, base);
      expectMeasures(against!.measures, others, base);
      const parts = side!.segments[0]!.parts;
      expect(parts.map(({ value }) => value).sort()).toEqual(
        [...new Set(scored.map(({ context }) => (context!['origin'] as string | null) ?? '(none)'))].sort(),
      );
      for (const { value, measures } of parts)
        expectMeasures(
          measures,
          scored.filter(({ context }) => ((context!['origin'] as string | null) ?? '(none)') === value),
          base,
        );

      const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : 1);
      const first = [...scored].sort(byId);
      const pairs: [Row, Row][] = [];
      for (const a of first) {
        if (pairs.some(([one]) => one.request === a.request)) continue;
        const b = [...others].sort(byId).find(({ request }) => request === a.request);
        if (b !== undefined) pairs.push([a, b]);
      }
      const { paired, all: unpaired } = report.comparison!;
      expect(paired?.requests ?? 0).toBe(pairs.length);
      if (paired !== null)
        expect(paired.difference.value).toBeCloseTo(mean(pairs.map(([a, b]) => loss(a) - loss(b))), 9);
      expect(unpaired!.value).toBeCloseTo(mean(scored.map(loss)) - mean(others.map(loss)), 9);

      const again = await evaluated([...decisions].reverse(), ask);
      expect(again).toEqual(report);
      expect((await evaluated([...decisions, ...decisions], ask)).sides).toEqual(report.sides);
    },
  );
  await fc.assert(property, { ...lawRuns(200) });
});

describe('numbers', () => {
  test('have squared errors, bias and a mean per tenth', async () => {
    const rows = Array.from({ length: 200 }, (_, n) => ({
      id: `d${n}`,
      unit: `u${n % 50}`,
      score: n / 10,
      label: n / 10 + ((n * 7919) % 13) - 5,
    }));
    const { sides, metrics } = await evaluated(rows.map(told), { baseRate: { value: 10, of: 'training set' } });
    const { measures } = sides[0]!;
    if (measures.kind !== 'number') throw new Error('expected numbers');
    const errors = rows.map(({ score, label }) => (score - label) ** 2);
    expect(measures.squaredError.value).toBeCloseTo(mean(errors), 9);
    expect(measures.baseSquaredError).toBeCloseTo(mean(rows.map(({ label }) => (10 - label) ** 2)), 9);
    expect(measures.gain.value).toBeCloseTo(measures.baseSquaredError - mean(errors), 9);
    expect(measures.bias.value).toBeCloseTo(mean(rows.map(({ score, label }) => score - label)), 9);
    expect(measures.bins).toHaveLength(10);
    for (const [bin, { from, until, label, rows: size }] of measures.bins.entries()) {
      const own = rows.slice(bin * 20, bin * 20 + 20);
      expect([from, until, size]).toEqual([own[0]!.score, own.at(-1)!.score, 20]);
      expect(label.value).toBeCloseTo(mean(own.map((row) => row.label)), 9);
    }
    expect(metrics).toMatchObject({ rows: 200, baseRate: 10, squaredError: measures.squaredError.value });
  });
});

describe('segments', () => {
  const rows = (fields: (n: number) => Told['context'], size = 400): Told[] =>
    Array.from({ length: size }, (_, n) => ({
      id: `d${n}`,
      score: (n % 9) / 10 + 0.1,
      label: n % 2,
      context: fields(n),
      unit: `u${n % 40}`,
    }));

  test('are the 20 with the most rows, and all others in one row', async () => {
    // Value k has k + 1 rows: 25 values.
    const values = Array.from({ length: 25 }, (_, k) => Array.from({ length: k + 1 }, () => `v${k}`)).flat();
    const { sides } = await evaluated(rows((n) => ({ v: values[n]! }), values.length).map(told), { segments: ['v'] });
    const parts = sides[0]!.segments[0]!.parts;
    expect(parts.map(({ value }) => value)).toEqual([...Array.from({ length: 20 }, (_, k) => `v${24 - k}`), null]);
    expect(parts.at(-1)).toMatchObject({ values: 5, measures: { rows: 1 + 2 + 3 + 4 + 5 } });
  });

  test('are of fields of the context, their parts, and of the decision', async () => {
    const decisions = rows((n) => ({ place: { origin: n % 3 === 0 ? 'LAS' : null }, unit: n % 2 }));
    const { sides } = await evaluated(decisions.map(told), { segments: ['place.origin', 'unit', 'action', 'day'] });
    const values = sides[0]!.segments.map(({ parts }) => parts.map(({ value, measures }) => [value, measures.rows]));
    expect(values).toEqual([
      [
        ['(none)', 266],
        ['LAS', 134],
      ],
      // Of the context: its field goes before the decision's.
      [
        ['0', 200],
        ['1', 200],
      ],
      [['decide', 400]],
      [['2001-06-02', 400]],
    ]);
    await expect(evaluated(decisions.map(told), { segments: ['city'] })).rejects.toMatchObject({
      code: 'unknown-segment',
      message: expect.stringContaining('place, unit') as string,
    });
  });
});

test('a sample is of whole units, the same in every run', async () => {
  const rows = Array.from({ length: 4000 }, (_, n) =>
    told({ id: `d${n}`, unit: `u${n % 1000}`, score: 0.5, label: n % 2 }),
  );
  const [one, other, all] = await Promise.all([0.3, 0.3, 1].map((sample) => evaluated(rows, { sample })));
  expect(one).toEqual(other);
  expect(one!.sides[0]!.rows).toBe(4 * one!.sides[0]!.units);
  expect(one!.sides[0]!.units).toBeGreaterThan(250);
  expect(one!.sides[0]!.units).toBeLessThan(350);
  expect(all!.sides[0]!.rows).toBe(4000);
});
