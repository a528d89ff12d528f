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
    // -0 is 0.
    expect(
      labelOf(
        0,
        [{ id: 'a', timeUs: 0, knownAtUs: 0, value: -0 }],
        { matureAfterUs: 9, reduce: 'first', absent: 0 },
        9,
      ),
    ).toHaveProperty('value', 0);
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

describe('what is no label', () => {
  const great = [1, 2].map((at) => ({ id: String(at), timeUs: at, knownAtUs: at, value: 1e308 }));
  test.each<[string, LabelRule<number>['reduce'], string]>([
    ['a sum beyond all doubles', 'sum', 'Infinity'],
    ['what is not a number', () => Number.NaN, 'NaN'],
    ['what a function without a result gives', () => ([] as null[])[0]!, 'undefined'],
  ])('is refused by name: %s', (_, reduce, received) => {
    expect(() => labelOf(0, great, { matureAfterUs: 9, reduce, absent: 0 }, 9)).toThrow(
      expect.objectContaining({ code: 'invalid-label', details: { decisionTimeUs: 0, outcomes: 2, received } }),
    );
  });
});

/** A broker's time is of its millisecond; these steps, in half ones, are now on its edge and now within. */
const STEP_US = 500;

/** Outcomes that arrive in partitions, in order of time, archived up to somewhere when a cut was taken. */
const log = fc.record({
  decisions: fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }),
  partitions: fc.array(fc.array(fc.record({ step: fc.nat(4), decision: fc.nat(2), outcome }), { maxLength: 12 }), {
    minLength: 1,
    maxLength: 3,
  }),
  cuts: fc.tuple(fc.nat(40), fc.nat(40)),
  lags: fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
  /** Whether what arrives with a cut is there already: it has the cut's time, and may come after it. */
  isThereAtCut: fc.boolean(),
});

describe('an export of labels', () => {
  test('that is made again later has the same rows, and those that became mature', () => {
    let [grew, held] = [0, 0];
    const rules = fc.record({ matureAfterUs: fc.nat(20).map((steps) => steps * STEP_US), reduce, absent });
    fc.assert(
      fc.property(log, rules, ({ decisions, partitions, cuts, lags, isThereAtCut }, rule) => {
        const records = partitions.map((steps) => {
          let arrivedUs = 0;
          return steps.map(({ step, decision, outcome: { id, ...rest } }, at) => {
            arrivedUs += step * STEP_US;
            const knownAt = Math.floor(arrivedUs / 1000) * 1000;
            // Partitions share no ids: a decision is the key.
            return { ...rest, id: `${id}-${at}`, knownAt, arrivedUs, decision: decision % decisions.length };
          });
        });
        const [firstUs, laterUs] = [Math.min(...cuts) * STEP_US, Math.max(...cuts) * STEP_US];
        const isThere = (arrivedUs: number, cutUs: number): boolean =>
          arrivedUs < cutUs || (arrivedUs === cutUs && (isThereAtCut || cutUs > firstUs));
        const archivedAt = (cutUs: number, lag: readonly number[]): number[] =>
          records.map((all, partition) => {
            const there = all.filter(({ arrivedUs }) => isThere(arrivedUs, cutUs)).length;
            return Math.max(0, there - lag[partition]!);
          });
        const exportAt = (cutUs: number, archived: readonly number[], toldUs: number | null) => {
          const kept = records.map((all, partition) => all.slice(0, archived[partition]));
          const asOf = latestAsOfUs(
            kept.map((own, partition) => ({
              archivedUntilUs: own.at(-1)?.knownAt ?? null,
              isComplete: !records[partition]!.slice(own.length).some(({ arrivedUs }) => isThere(arrivedUs, cutUs)),
            })),
            cutUs,
            toldUs,
          );
          const all = kept.flat();
          const labels = decisions.map((decided, decision) =>
            labelOf(decided * STEP_US, heard(all.filter((each) => each.decision === decision)), rule, asOf),
          );
          return { asOf, labels };
        };
        const archivedFirst = archivedAt(firstUs, lags.slice(0, 3));
        const before = exportAt(firstUs, archivedFirst, null);
        // What was archived stays so; what came since may not be there yet.
        const archivedLater = archivedAt(laterUs, lags.slice(3)).map((end, at) => Math.max(end, archivedFirst[at]!));
        const after = exportAt(laterUs, archivedLater, before.asOf);
        for (const [decision, label] of before.labels.entries()) {
          if (label.kind === 'immature') {
            if (after.labels[decision]!.kind !== 'immature') grew++;
            continue;
          }
          held++;
          expect({ ...after.labels[decision], afterMaturity: 0 }).toEqual({ ...label, afterMaturity: 0 });
        }
      }),
      lawRuns(4000),
    );
    // Both happen, and often.
    expect(Math.min(grew, held)).toBeGreaterThan(30);
  });

  test('goes no further than what is archived of the outcomes', () => {
    const complete = { archivedUntilUs: 5000, isComplete: true };
    const idle = { archivedUntilUs: null, isComplete: true };
    // Another record of the millisecond 9 may come, and is not there.
    expect(latestAsOfUs([complete, idle], 9300, null)).toBe(8999);
    expect(latestAsOfUs([complete, idle], 9000, null)).toBe(8999);
    expect(latestAsOfUs([complete, { archivedUntilUs: 7000, isComplete: false }], 9300, null)).toBe(6999);
    expect(latestAsOfUs([complete, { archivedUntilUs: 70_000, isComplete: false }], 9300, null)).toBe(8999);
    expect(latestAsOfUs([complete, { archivedUntilUs: null, isComplete: false }], 9300, null)).toBe(-Infinity);
    expect(latestAsOfUs([], 9300, null)).toBe(8999);
  });

  test('does not go back where an archive that was complete is behind', () => {
    const told = latestAsOfUs([{ archivedUntilUs: 5000, isComplete: true }], 9300, null);
    expect(latestAsOfUs([{ archivedUntilUs: 5000, isComplete: false }], 12_300, told)).toBe(8999);
    expect(latestAsOfUs([{ archivedUntilUs: 11_000, isComplete: false }], 12_300, told)).toBe(10_999);
  });
});
