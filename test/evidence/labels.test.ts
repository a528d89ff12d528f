import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Label, labelOf, type LabelRule } from '../../engine/evidence/label-rule.ts';
import { latestAsOfUs } from '../../engine/evidence/latest-as-of.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { type OracleOutcome, oracleLabel } from '../oracle/label.ts';

const time = fc.integer({ min: 0, max: 40 });
const id = fc.constantFrom('1', '2', '10', 'b', '\u{1f600}', '\uff5e', 'x', 'y', 'z');

/** As a log has them: of one decision, some twice, before it, years late. */
const outcome = fc.record({
  id,
  time: fc.oneof(time, fc.integer({ min: -1000, max: 1000 })),
  knownAt: fc.oneof(time, fc.integer({ min: 0, max: 3000 })),
  value: fc.integer({ min: -5, max: 5 }),
});
/** An id that comes again says the same at another time, or something else. */
const outcomes = fc
  .array(outcome, { maxLength: 12 })
  .map((all) => all.filter((each, at) => all.findIndex((o) => o.id === each.id && o.knownAt === each.knownAt) === at));

const spread = (values: readonly number[]): number | null => (values.length === 1 ? null : values[0]! - values.at(-1)!);
const reduce = fc.constantFrom<LabelRule<number>['reduce']>('first', 'last', 'sum', spread);
const absent = fc.constantFrom<LabelRule<number>['absent']>(0, null, 'leave-out');
const matureAfterUs = fc.integer({ min: 0, max: 50 });

const heard = (all: readonly OracleOutcome[]) =>
  all.map(({ id, time, knownAt, value }) => ({ id, timeUs: time, knownAtUs: knownAt, value }));

const plain = (label: Label<number>): ReturnType<typeof oracleLabel> => {
  if (label.kind !== 'label') return label.kind;
  return { value: label.value, outcomes: label.outcomes, afterMaturity: label.afterMaturity };
};

describe('a label', () => {
  test('is that of the oracle, whatever the order in which outcomes come', () => {
    fc.assert(
      fc.property(
        time,
        outcomes.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        fc.record({ matureAfterUs, reduce, absent }),
        fc.integer({ min: 0, max: 100 }),
        (decided, [all, shuffled], rule, asOf) => {
          const label = labelOf(decided, heard(all), rule, asOf);
          expect(labelOf(decided, heard(shuffled), rule, asOf)).toEqual(label);
          expect(plain(label)).toEqual(oracleLabel(decided, all, rule.matureAfterUs, rule.reduce, rule.absent, asOf));
        },
      ),
      lawRuns(1000),
    );
  });

  test('is made of nothing that could not be known when it was mature', () => {
    fc.assert(
      fc.property(
        time,
        outcomes,
        outcomes,
        fc.record({ matureAfterUs, reduce, absent }),
        fc.integer({ min: 0, max: 5000 }),
        (decided, all, more, rule, asOf) => {
          const until = decided + rule.matureAfterUs;
          const early = all.filter(({ knownAt }) => knownAt <= until);
          const late = more.filter(({ knownAt }) => knownAt > until);
          const [label, alone] = [
            labelOf(decided, heard([...early, ...late]), rule, asOf),
            labelOf(decided, heard(early), rule, asOf),
          ];
          expect({ ...label, afterMaturity: 0 }).toEqual({ ...alone, afterMaturity: 0 });
        },
      ),
      lawRuns(500),
    );
  });

  test('goes by the bytes of ids where times are equal', () => {
    const values = ['\u{1f600}', '10', '\uff5e', '9'].map((id) => ({ id, timeUs: 1, knownAtUs: 1, value: id }));
    const all = { matureAfterUs: 9, reduce: (each: readonly string[]) => each.join(), absent: 0 } as const;
    expect(labelOf(0, values, all, 9)).toMatchObject({ value: '10,9,\uff5e,\u{1f600}' });
    expect(labelOf(0, values, { ...all, reduce: 'last' }, 9)).toMatchObject({ value: '\u{1f600}' });
  });

  test('sums exactly, and a function may say null', () => {
    const values = [1e100, 1, -1e100, 0.1].map((value, at) => ({ id: String(at), timeUs: at, knownAtUs: at, value }));
    const of = (reduce: LabelRule<number>['reduce']): unknown =>
      labelOf(0, values, { matureAfterUs: 9, reduce, absent: null }, 9);
    expect(of('sum')).toMatchObject({ value: 1.1 });
    expect(of(() => null)).toEqual({ kind: 'label', value: null, outcomes: 4, afterMaturity: 0 });
    const texts = [
      { id: 'a', timeUs: 2, knownAtUs: 2, value: 'late' },
      { id: 'b', timeUs: 1, knownAtUs: 3, value: 'left' },
    ];
    expect(labelOf(0, texts, { matureAfterUs: 3, reduce: 'last', absent: 0 }, 3)).toMatchObject({ value: 'late' });
    expect(labelOf(0, texts, { matureAfterUs: 2, reduce: 'first', absent: 0 }, 9)).toEqual({
      kind: 'label',
      value: 'late',
      outcomes: 1,
      afterMaturity: 1,
    });
  });
});

/** Outcomes in partitions whose broker times do not go back, archived up to somewhere when a cut was taken. */
const log = fc.record({
  decisions: fc.array(time, { minLength: 1, maxLength: 6 }),
  partitions: fc.array(
    fc.array(fc.record({ step: fc.integer({ min: 0, max: 8 }), decision: fc.nat(5), outcome }), { maxLength: 12 }),
    { minLength: 1, maxLength: 3 },
  ),
  cuts: fc.tuple(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 90 })),
  lags: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 6, maxLength: 6 }),
});

describe('an export of labels', () => {
  test('that is made again later has the same rows, and those that became mature', () => {
    let [grew, held] = [0, 0];
    fc.assert(
      fc.property(log, fc.record({ matureAfterUs, reduce, absent }), ({ decisions, partitions, cuts, lags }, rule) => {
        const records = partitions.map((steps) => {
          let brokerTime = 0;
          return steps.map(({ step, decision, outcome: { id, ...rest } }, at) => {
            brokerTime += step;
            // Partitions share no ids: a decision is the key.
            return { ...rest, id: `${id}-${at}`, knownAt: brokerTime, decision: decision % decisions.length };
          });
        });
        const exportAt = (cut: number, lag: readonly number[]) => {
          const archived = records.map((all, partition) => {
            const there = all.filter(({ knownAt }) => knownAt <= cut);
            return { there, kept: there.slice(0, Math.max(0, there.length - lag[partition]!)) };
          });
          const asOf = latestAsOfUs(
            archived.map(({ there, kept }) => ({
              archivedUntilUs: kept.at(-1)?.knownAt ?? null,
              isComplete: kept.length === there.length,
            })),
            cut,
          );
          const all = archived.flatMap(({ kept }) => kept);
          return decisions.map((decided, decision) =>
            labelOf(decided, heard(all.filter((each) => each.decision === decision)), rule, asOf),
          );
        };
        const [first, later] = [Math.min(...cuts), Math.max(...cuts)];
        const before = exportAt(first, lags.slice(0, 3));
        // What was archived stays so.
        const after = exportAt(
          later,
          lags.slice(3).map((lag, at) => (later === first ? 0 : Math.min(lag, lags[at]!))),
        );
        for (const [decision, label] of before.entries()) {
          if (label.kind === 'immature') {
            if (after[decision]!.kind !== 'immature') grew++;
            continue;
          }
          held++;
          if (after[decision]!.kind === 'immature') continue;
          expect({ ...after[decision], afterMaturity: 0 }).toEqual({ ...label, afterMaturity: 0 });
        }
      }),
      lawRuns(1000),
    );
    // Both happen, and often.
    expect(Math.min(grew, held)).toBeGreaterThan(100);
  });

  test('goes no further than what is archived of the outcomes', () => {
    const complete = { archivedUntilUs: 5, isComplete: true };
    expect(latestAsOfUs([complete, { archivedUntilUs: null, isComplete: true }], 9)).toBe(9);
    // Another record of the time 7 may be there, and not in the archive.
    expect(latestAsOfUs([complete, { archivedUntilUs: 7, isComplete: false }], 9)).toBe(6);
    expect(latestAsOfUs([complete, { archivedUntilUs: 70, isComplete: false }], 9)).toBe(9);
    expect(latestAsOfUs([complete, { archivedUntilUs: null, isComplete: false }], 9)).toBe(-Infinity);
    expect(latestAsOfUs([], 9)).toBe(9);
  });
});
