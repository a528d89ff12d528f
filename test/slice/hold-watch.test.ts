import { describe, expect, test } from 'vitest';
import { HoldWatch } from '../../engine/slice/hold-watch.ts';
import { heldOf, lagOf, type SliceOffset } from '../../engine/slice/slice-options.ts';

const TELL_AFTER_MS = 30_000;
const at = (partition: number, nextOffset: number, endOffset: number, highWatermark?: number): SliceOffset => ({
  partition,
  nextOffset,
  endOffset,
  highWatermark,
});
const told = (message: string, sinceMs: number) => ({ code: 'held-back', message, sinceMs });
const AT_7 = 'clicks is held back by an open transaction: partition 0 at offset 7';

describe('lag', () => {
  test('counts to the real end, and says how much of it an open transaction holds back', () => {
    const offsets = [at(0, 7, 7, 12), at(1, 3, 5, 9), at(2, 4, 4)];
    expect(lagOf(offsets)).toBe(5 + 6);
    expect(heldOf(offsets)).toBe(5 + 4);
  });
});

describe('a hold', () => {
  const watch = (known: Parameters<typeof told> | null = null): HoldWatch =>
    new HoldWatch('clicks', known === null ? null : told(...known), TELL_AFTER_MS);

  test('is told once the same transaction has held a partition back for long, since it was first seen', () => {
    const holds = watch();
    expect(holds.look([at(0, 7, 7, 9)], 1_000, 500_000)).toBeNull();
    expect(holds.look([at(0, 7, 7, 90)], 30_999, 529_999)).toBeNull();
    expect(holds.look([at(0, 7, 7, 900)], 31_000, 530_000)).toEqual(told(AT_7, 500_000));
    expect(holds.look([{ ...at(0, 7, 7, 900), heldBy: '4001' }], 32_000, 531_000)).toEqual(
      told(`${AT_7} (producer 4001)`, 500_000),
    );
    expect(holds.look([at(0, 7, 900, 900)], 33_000, 532_000)).toBeNull();
  });

  test('by one transaction after the other is none: each ends in time', () => {
    const holds = watch();
    for (let second = 0; second < 600; second++) {
      const end = 10 * Math.floor(second / 20);
      expect(holds.look([at(0, end, end, end + 9)], second * 1_000, second * 1_000)).toBeNull();
    }
  });

  test('does not count while there is something to read before it: then the run is behind by itself', () => {
    const holds = watch();
    for (let second = 0; second < 60; second++)
      expect(holds.look([at(0, 5, 7, 9)], second * 1_000, second * 1_000)).toBeNull();
    expect(holds.look([at(0, 7, 7, 9)], 60_000, 60_000)).toBeNull();
    expect(holds.look([at(0, 7, 7, 9)], 90_000, 90_000)).toEqual(told(AT_7, 60_000));
  });

  test('that the caller knows of goes on since then, from the first look on, and is over when its transaction is', () => {
    const holds = watch([AT_7, 42]);
    expect(holds.look([], 0, 100_000)).toEqual(told(AT_7, 42));
    expect(holds.look([at(0, 7, 7, 9)], 1, 100_001)).toEqual(told(AT_7, 42));
    // The next one begins where it ended: it has just begun.
    expect(holds.look([at(0, 9, 9, 11)], 2, 100_002)).toBeNull();
    const over = watch([AT_7, 42]);
    expect(over.look([at(0, 9, 9, 9)], 1, 100_001)).toBeNull();
  });

  test('of many partitions names some and counts the others', () => {
    const holds = watch();
    const offsets = Array.from({ length: 1_000 }, (_, partition) => at(partition, 7, 7, 9));
    holds.look(offsets, 0, 0);
    expect(holds.look(offsets, TELL_AFTER_MS, TELL_AFTER_MS)!.message).toBe(
      'clicks is held back by an open transaction: partition 0 at offset 7, partition 1 at offset 7, partition 2 at offset 7 and 997 more',
    );
  });
});
