import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchLimit, type JudgedRecord } from '../../engine/admission/batch-limit.ts';
import { NumberSet } from '../../engine/admission/number-set.ts';
import { ReasonTally } from '../../engine/admission/reason-tally.ts';
import { VerdictRing } from '../../engine/admission/verdict-ring.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { lawRuns } from './law-seed.ts';

const limits = fc.record({
  rate: fc.constantFrom(0, 0.1, 0.25, 0.5, 0.99, 1),
  window: fc.integer({ min: 1, max: 45 }),
});
/** Verdicts of a partition's records: true is invalid. Long stretches of one kind are as common as mixtures. */
const verdicts = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 30 })), { maxLength: 12 })
  .map((runs) => runs.flatMap(([invalid, length]) => Array.from({ length }, () => invalid)));

/** By the text: more than rate × window of the last `window` records, up to and including record `at`. */
function tooMany(all: readonly boolean[], at: number, { rate, window }: { rate: number; window: number }): boolean {
  return all.slice(Math.max(0, at + 1 - window), at + 1).filter(Boolean).length > rate * window;
}

/** Offsets have gaps. */
const offsetOf = (at: number): number => at * 3;

function isMostly(all: readonly boolean[]): boolean {
  return all.length >= 20 && all.slice(-20).filter(Boolean).length > 10;
}

describe('the ring of verdicts', () => {
  it('says too many, and mostly invalid, as counting does, packed, loaded and accepted in part anywhere', () => {
    const restartsAt = fc.array(fc.tuple(fc.nat(300), fc.nat(900)), { maxLength: 4 });
    fc.assert(
      fc.property(limits, verdicts, restartsAt, (limit, given, restarts) => {
        let ring = new VerdictRing(limit);
        const all = [...given];
        for (const at of all.keys()) {
          for (const [restart, until] of restarts) {
            if (restart !== at) continue;
            ring = new VerdictRing(limit, ring.pack());
            ring.accept(until);
            for (let before = 0; before < at; before++) if (offsetOf(before) < until) all[before] = false;
          }
          const invalid = all[at]!;
          if (invalid) expect(ring.invalid(offsetOf(at))).toBe(tooMany(all, at, limit));
          else ring.valid();
          expect(ring.isMostlyInvalid).toBe(isMostly(all.slice(0, at + 1)));
          expect(ring.figures).toEqual({
            invalid: all.slice(Math.max(0, at + 1 - limit.window), at + 1).filter(Boolean).length,
            of: Math.min(at + 1, limit.window),
          });
        }
      }),
      lawRuns(500),
    );
  });

  it('costs a few bytes per invalid record, and refuses what it did not write', () => {
    const ring = new VerdictRing({ rate: 0.1, window: 1000 });
    for (let n = 0; n < 5000; n++) ring.valid();
    expect(ring.pack()).toHaveLength(2);
    ring.invalid(5_000);
    expect(ring.pack()).toHaveLength(5);
    ring.invalid(5_001);
    expect(ring.pack()).toHaveLength(7);
    for (const bytes of [[], [0x80], [1, 5, 0], [10, 2], [10, 2, 4, 3, 1], [10, 2, 4, 2, 1]]) {
      expect(() => new VerdictRing({ rate: 0.1, window: 1000 }, Uint8Array.from(bytes))).toThrow(
        expect.objectContaining({ code: 'invalid-ring-corrupt' }),
      );
    }
  });
});

describe('the limit of a batch', () => {
  const record = (partition: number, number: number, reason = 'amount: expected a number'): JudgedRecord => ({
    topic: partition < 0 ? 'history' : 'orders',
    partition,
    offset: offsetOf(number),
    number,
    file: partition < 0 ? 'a.csv' : null,
    reasons: [reason],
  });
  const sourceOf = (limit: { rate: number; window: number }): CompiledSource =>
    ({ name: 'orders', topic: 'orders', invalidLimit: limit }) as CompiledSource;
  const refused = (judge: () => void): boolean => {
    try {
      judge();
      return false;
    } catch (error) {
      expect(error).toMatchObject({ code: 'too-many-invalid-records' });
      return true;
    }
  };

  it('refuses by the rings of its partitions and by the share of all, in whatever order and however often records are told', () => {
    fc.assert(
      fc.property(
        limits,
        fc.array(verdicts, { minLength: 1, maxLength: 3 }),
        fc.array(fc.nat(60), { maxLength: 2 }),
        fc.nat(),
        (limit, partitions, accepted, seed) => {
          const counts = (partition: number, at: number): boolean =>
            partitions[partition]![at]! && offsetOf(at) >= (accepted[partition] ?? 0);
          const records = partitions.flatMap((all, partition) =>
            all.flatMap((invalid, at) => (invalid ? [record(partition - 1, at)] : [])),
          );
          const shuffled = records.toSorted(
            (a, b) => ((a.offset + a.partition + seed) % 7) - ((b.offset + b.partition + seed) % 7),
          );
          const total = partitions.reduce((sum, all) => sum + all.length, 0);
          const judged = partitions.map((all, partition) => all.map((_, at) => counts(partition, at)));
          const invalid = judged.flat().filter(Boolean).length;
          const expected =
            judged.some((all) => all.some((isInvalid, at) => isInvalid && tooMany(all, at, limit))) ||
            invalid > limit.rate * total;
          const batch = new BatchLimit(
            sourceOf(limit),
            new Map(accepted.map((until, partition) => [partition - 1, until])),
          );
          const got = refused(() => {
            for (const each of [...shuffled, ...shuffled.slice(0, 3)]) batch.add(each);
            batch.end(total);
          });
          expect(got).toBe(expected);
          if (got) return;
          for (const [partition, all] of judged.entries()) {
            const ring = new VerdictRing(limit);
            for (const [at, isInvalid] of all.entries())
              if (isInvalid) ring.invalid(offsetOf(at));
              else ring.valid();
            expect(batch.ring(partition - 1, all.length).pack()).toEqual(ring.pack());
          }
        },
      ),
      lawRuns(500),
    );
  });

  it('refuses three rows of which three are invalid, and one of one', () => {
    for (const rows of [1, 3]) {
      const batch = new BatchLimit(sourceOf({ rate: 0.1, window: 1000 }), new Map());
      for (let number = 0; number < rows; number++) batch.add(record(-1, number));
      expect(refused(() => batch.end(rows))).toBe(true);
    }
  });

  it('stops long before the end of a log that is all wrong', () => {
    const batch = new BatchLimit(sourceOf({ rate: 0.1, window: 1000 }), new Map());
    let told = 0;
    expect(
      refused(() => {
        for (; told < 1_000_000; told++) batch.add(record(-1, told));
      }),
    ).toBe(true);
    expect(told).toBeLessThan(1_000);
  });

  it('names the three commonest reasons with their counts and an example of each', () => {
    const batch = new BatchLimit(sourceOf({ rate: 0.1, window: 1000 }), new Map());
    const reasons = ['a: expected an int, received "1"', 'b: is missing', 'c: too long', 'd: never shown'];
    const repeats = [9, 7, 5, 2];
    let number = 0;
    for (const [kind, times] of repeats.entries()) {
      for (let n = 0; n < times; n++) batch.add(record(-1, number++, `${reasons[kind]}${kind === 0 ? n : ''}`));
    }
    expect(() => batch.end(30)).toThrow(
      expect.objectContaining({
        message:
          'source "orders": 23 of 30 records are invalid; allowed: 10 % of a batch. The commonest reasons: ' +
          '9 × a.csv, position 0: a: expected an int, received "1"0 | 7 × a.csv, position 27: b: is missing | 5 × a.csv, position 48: c: too long',
        remedy: expect.stringContaining('millrace dead-letters accept orders --partition P --until OFFSET'),
      }),
    );
  });
});

describe('a set of numbers', () => {
  it('gives them back ascending, each once', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(200), fc.nat(3 * 65_536), fc.nat(2 ** 40))), (numbers) => {
        const set = new NumberSet();
        for (const number of numbers) set.add(number);
        expect([...set]).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
        expect(set.size).toBe(new Set(numbers).size);
      }),
      lawRuns(200),
    );
  });
});

it('a tally counts by field and expectation, and shows the first of a kind in full', () => {
  const tally = new ReasonTally();
  const expected = 'delay_1: expected an integer from -1440 to 2880, received ';
  const long = 'x'.repeat(250);
  for (const received of [`${JSON.stringify(long)}; in text …`, '5000', '"007"; no leading zeros', 'null'])
    tally.add('file.csv, position 3', [expected + received]);
  for (let n = 0; n < 3; n++) {
    tally.add('p', [`items[${n}].price: expected a decimal(5,2), received ${n}`]);
    tally.add('p', [`delay_2: expected an integer from -1440 to 2880, received ${n}`]);
  }
  for (const country of ['NL', 'BE'])
    tally.add('p', [`country: expected "${country}" as in the file's path, received "x" in the file`]);
  expect(tally.commonest().split(' | ')).toEqual([
    `4 × file.csv, position 3: ${expected}${JSON.stringify(long)}; in text …`,
    '3 × p: items[0].price: expected a decimal(5,2), received 0',
    '3 × p: delay_2: expected an integer from -1440 to 2880, received 0',
  ]);
});

it.each([
  ['at: ahead-of-history: the event time lies 7.5 s after …', 'at: ahead-of-history: the event time lies 12 s after …'],
  [
    'country: expected "NL" as in the file\'s path, received "x" in the file',
    'country: expected "BE" as in the file\'s path, received 7 in the file',
  ],
  [
    'where: the row function threw SyntaxError: Unexpected token \'a\', "ab" is not valid JSON',
    'where: the row function threw SyntaxError: Unexpected token \'b\', "ba\\"c" is not valid JSON',
  ],
  ['record: expected JSON, received nothing', 'record: expected JSON, received 5 bytes that begin with 00'],
])('%j and %j are one kind', (one, other) => {
  const tally = new ReasonTally();
  tally.add('p', [one]);
  tally.add('q', [other]);
  expect(tally.commonest()).toBe(`2 × p: ${one}`);
});

it('a tally stays small however many kinds of reasons there are', () => {
  const tally = new ReasonTally();
  for (let n = 0; n < 5_000; n++) tally.add('p', [`field ${String.fromCharCode(0x4e00 + n)}: no`]);
  expect(tally.commonest().split(' | ')).toHaveLength(3);
});
