import { describe, expect, it } from 'vitest';
import { checkHistoryCovered, checkTopicCovered, type CoveredLog } from '../../engine/backfill/covered-log.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import type { Cut } from '../../engine/topic/cut.ts';

const covered: CoveredLog = {
  view: 'rides',
  version: 3,
  topic: 't',
  clusterId: 'c',
  // Read from the start, from the middle, and not at all.
  partitions: [
    { partition: 0, from: 0, until: 130 },
    { partition: 1, from: 10, until: 70 },
    { partition: 2, from: 5, until: 5 },
  ],
  historyRows: 20,
};

function cut(bounds: readonly (readonly [number, number])[], clusterId = 'c'): Cut {
  return {
    clusterId,
    takenAtUs: 0,
    partitions: bounds.map(([lowOffset, endOffset], partition) => ({ partition, lowOffset, endOffset })),
  };
}

function refusal(check: () => void): { code: string; message: string; remedy: string } | null {
  try {
    check();
    return null;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return error;
  }
}

describe('a version that takes over unasked', () => {
  it.each([
    [
      'as far back',
      [
        [0, 130],
        [10, 70],
        [5, 9],
      ],
    ],
    [
      'further back, and with a new partition',
      [
        [0, 150],
        [0, 70],
        [0, 9],
        [7, 9],
      ],
    ],
    [
      'less of a partition of which nothing was read',
      [
        [0, 130],
        [10, 70],
        [9, 9],
      ],
    ],
  ] as const)('may reach %s', (_, bounds) => {
    expect(refusal(() => checkTopicCovered(covered, cut(bounds)))).toBeNull();
  });

  it('names the partitions and offsets that are gone, and the way out', () => {
    const gone = refusal(() =>
      checkTopicCovered(
        covered,
        cut([
          [45, 140],
          [70, 70],
          [5, 9],
        ]),
      ),
    );
    expect(gone).toMatchObject({
      code: 'offsets-gone',
      message: expect.stringMatching(
        /view "rides": .* than version 3 does: topic t and its archive have no longer partition 0: 0 to 44, partition 1: 10 to 69$/,
      ) as string,
      remedy: expect.stringContaining('"rebackfill" to accept the shorter log') as string,
    });
    // All that was read is gone, and more.
    expect(
      refusal(() =>
        checkTopicCovered(
          covered,
          cut([
            [0, 130],
            [90, 95],
            [5, 5],
          ]),
        ),
      )?.message,
    ).toMatch(/partition 1: 10 to 69$/);
  });

  it('may not take another topic or cluster for the same', () => {
    expect(
      refusal(() =>
        checkTopicCovered(
          covered,
          cut([
            [0, 129],
            [10, 70],
            [5, 5],
          ]),
        ),
      )?.code,
    ).toBe('topic-recreated');
    expect(refusal(() => checkTopicCovered(covered, cut([[0, 130]])))?.code).toBe('topic-recreated');
    expect(
      refusal(() =>
        checkTopicCovered(
          covered,
          cut(
            [
              [0, 130],
              [10, 70],
              [5, 5],
            ],
            'd',
          ),
        ),
      )?.code,
    ).toBe('cluster-changed');
  });

  it('has all of the history', () => {
    expect(refusal(() => checkHistoryCovered(covered, [{ rows: 12 }, { rows: 8 }]))).toBeNull();
    expect(refusal(() => checkHistoryCovered(covered, [{ rows: 30 }]))).toBeNull();
    expect(refusal(() => checkHistoryCovered(covered, [{ rows: 19 }]))).toMatchObject({
      code: 'history-changed',
      message: expect.stringMatching(/20 rows and has 19$/) as string,
    });
  });
});
