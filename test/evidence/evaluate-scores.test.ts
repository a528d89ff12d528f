import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calibrationOf } from '../../engine/evidence/calibration.ts';
import { evaluateScores, type ScoredRow } from '../../engine/evidence/evaluate-scores.ts';
import { areaUnderCurve } from '../../engine/statistics/area-under-curve.ts';
import { wilson } from '../../engine/statistics/wilson.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

const row: fc.Arbitrary<ScoredRow> = fc.record({
  score: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.25, 0.5, 1)),
  label: fc.constantFrom(0, 1),
  unit: fc.constantFrom('a', 'b', 'c', 'd'),
  segments: fc.array(fc.constantFrom('LAS', 'PHL', '\u{1f600}', '\uff5e'), { maxLength: 3 }),
});
const rows = fc.array(row, { minLength: 1, maxLength: 40 });
const plain = (score: number, label: 0 | 1, unit: string): ScoredRow => ({ score, label, unit, segments: [] });

describe('scores', () => {
  test('have the published log loss', () => {
    // scikit-learn's example of log_loss: 0.21616…
    const all = [plain(0.9, 1, '1'), plain(0.1, 0, '2'), plain(0.2, 0, '3'), plain(0.65, 1, '4')];
    const { logLoss, baseLogLoss, gain } = evaluateScores(all).all;
    expect(logLoss.value).toBeCloseTo(0.21616, 5);
    expect(baseLogLoss).toBeCloseTo(Math.LN2, 12);
    expect(gain.value).toBeCloseTo(Math.LN2 - logLoss.value, 12);
    expect(evaluateScores(all, 0.9).all.baseLogLoss).toBeCloseTo(-(Math.log(0.9) + Math.log(0.1)) / 2, 12);
  });

  test('are measured per segment as its rows alone are, in the order of bytes, and over all as each row once', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const { all: whole, segments } = evaluateScores(all);
        expect(whole.rows).toBe(all.length);
        const names = [...new Set(all.flatMap((each) => each.segments))];
        expect([...segments.keys()]).toEqual(names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
        for (const [name, measures] of segments)
          expect(measures).toEqual(evaluateScores(all.filter((each) => each.segments.includes(name))).all);
        const of = (label: number) =>
          Float64Array.from(
            all.filter((each) => each.label === label),
            (each) => each.score,
          );
        const [positives, negatives] = [of(1), of(0)];
        const isEither = positives.length === 0 || negatives.length === 0;
        expect(whole.area).toEqual(isEither ? null : areaUnderCurve(positives, negatives));
        expect(whole.positives).toBe(positives.length);
        expect(Number.isFinite(whole.logLoss.value)).toBe(true);
      }),
      lawRuns(200),
    );
  });

  test('have intervals that hold the truth, be units of one row or of several with one luck', () => {
    // Of 500 runs 475 are expected to hold it; fewer than 450 or more than 494 in less than one of 10,000.
    for (const perUnit of [1, 5]) {
      const seeds = simulationSeeds(`log loss, ${perUnit} per unit`, 500);
      let covered = 0;
      for (const seed of seeds) {
        const { uniform } = seededRandom(seed);
        const all: ScoredRow[] = [];
        for (let unit = 0; unit < 300; unit++) {
          const score = 0.2 + 0.6 * uniform();
          const label = uniform() < score ? 1 : 0;
          for (let turn = 0; turn < perUnit; turn++) all.push(plain(score, label, String(unit)));
        }
        const { low, high } = evaluateScores(all).all.logLoss.interval;
        if (low <= TRUTH && TRUTH <= high) covered++;
      }
      expect(covered / seeds.length).toBeGreaterThanOrEqual(0.9);
      expect(covered / seeds.length).toBeLessThanOrEqual(0.988);
    }
  });

  test('are refused where they are none', () => {
    const refused = expect.objectContaining({ code: 'invalid-score' });
    expect(() => evaluateScores([plain(1.2, 1, 'a')])).toThrow(refused);
    expect(() => evaluateScores([plain(Number.NaN, 1, 'a')])).toThrow(refused);
    expect(() => evaluateScores([])).toThrow(refused);
    expect(() => evaluateScores([plain(0.5, 1, 'a')], 0)).toThrow(refused);
  });
});

describe('calibration', () => {
  test('has each row in one bin, equal scores in one, and of each what its rows have', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const { bins, error } = calibrationOf(
          Float64Array.from(all, ({ score }) => score),
          Int8Array.from(all, ({ label }) => label),
        );
        expect(bins.length).toBeLessThanOrEqual(10);
        let distance = 0;
        for (const [index, bin] of bins.entries()) {
          const own = all.filter(({ score }) => score >= bin.from && score <= bin.until);
          const hits = own.filter(({ label }) => label === 1).length;
          expect(own.length).toBe(bin.rows);
          expect(bin.score).toBeCloseTo(own.reduce((sum, { score }) => sum + score, 0) / own.length, 12);
          expect(bin).toMatchObject({ share: hits / own.length, interval: wilson(hits, own.length) });
          if (index > 0) expect(bin.from).toBeGreaterThan(bins[index - 1]!.until);
          distance += Math.abs(bin.score - bin.share) * bin.rows;
        }
        expect(bins.reduce((sum, bin) => sum + bin.rows, 0)).toBe(all.length);
        expect(error).toBeCloseTo(distance / all.length, 12);
      }),
      lawRuns(300),
    );
  });
});

/** The mean log loss of calibrated scores that are uniform on [0.2, 0.8]: the mean of −p ln p − (1 − p) ln(1 − p). */
const TRUTH = (() => {
  const primitive = (p: number): number => -((p * p * Math.log(p)) / 2 - (p * p) / 4);
  return (2 * (primitive(0.8) - primitive(0.2))) / 0.6;
})();
