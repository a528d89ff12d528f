import { expect, test } from 'vitest';
import { StoreWatch } from '../../activities/store-watch.ts';

const HOUR_US = 3_600_000_000;

test('looks once per hour that is passed, one at a time, and no more than a tenth of the time', async () => {
  let nowMs = 0;
  let looks = 0;
  let end: (() => void) | null = null;
  const failed: unknown[] = [];
  const watch = new StoreWatch({
    look: () => {
      looks++;
      return new Promise<void>((resolve, reject) => {
        end = looks === 2 ? () => reject(new Error('away')) : resolve;
      });
    },
    clock: { nowUs: () => nowMs * 1000, monotonicMs: () => nowMs },
    onFailed: (error) => failed.push(error),
  });
  const finish = async (tookMs: number): Promise<void> => {
    nowMs += tookMs;
    end!();
    await watch.ended();
  };
  watch.passed(null);
  expect(looks).toBe(0);
  watch.passed(HOUR_US + 1);
  watch.passed(3 * HOUR_US);
  expect(looks).toBe(1);
  await finish(10);
  // The hour that was passed meanwhile waits for the rest to be over.
  nowMs += 89;
  watch.passed(3 * HOUR_US);
  expect(looks).toBe(1);
  nowMs += 1;
  watch.passed(3 * HOUR_US + 5);
  expect(looks).toBe(2);
  await finish(0);
  expect(failed).toEqual([new Error('away')]);
  watch.passed(4 * HOUR_US - 1);
  expect(looks).toBe(2);
  watch.passed(4 * HOUR_US);
  expect(looks).toBe(3);
  await finish(1);
  await watch.ended();
});
