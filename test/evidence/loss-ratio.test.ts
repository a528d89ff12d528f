import { describe, expect, test } from 'vitest';
import { lossRatio } from '../../engine/evidence/loss-ratio.ts';

describe('what two variants lost', () => {
  test('is told by χ², as it was worked out by hand', () => {
    // Expected 30 and 30 of dropped, 970 and 970 of sent: 2 · 100 / 30 + 2 · 100 / 970.
    const { p, isMismatch } = lossRatio({ sent: 960, dropped: 40 }, { sent: 980, dropped: 20 });
    expect(p).toBeCloseTo(0.008_751_5, 6);
    expect(isMismatch).toBe(false);
    expect(lossRatio({ sent: 940, dropped: 60 }, { sent: 990, dropped: 10 }).isMismatch).toBe(true);
  });

  test('is the same where as much is missing of each, whatever their shares', () => {
    expect(lossRatio({ sent: 90, dropped: 10 }, { sent: 9_000, dropped: 1_000 }).p).toBeCloseTo(1, 10);
  });

  test.each([
    [
      { sent: 500, dropped: 0 },
      { sent: 500, dropped: 0 },
    ],
    [
      { sent: 500, dropped: 19 },
      { sent: 500, dropped: 0 },
    ],
    [
      { sent: 0, dropped: 0 },
      { sent: 500, dropped: 500 },
    ],
    [
      { sent: 0, dropped: 500 },
      { sent: 0, dropped: 500 },
    ],
    [
      { sent: 0, dropped: 0 },
      { sent: 0, dropped: 0 },
    ],
  ])('is not told of too few: %o, %o', (candidate, against) => {
    expect(lossRatio(candidate, against)).toEqual({ p: null, isMismatch: false });
  });
});
