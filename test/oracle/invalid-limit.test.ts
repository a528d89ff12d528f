/** The oracle of the invalid limit against cases derived by hand from design §5. */
import { expect, test } from 'vitest';
import { type OracleVerdict, stopsAt, stopsAtEnd } from './invalid-limit.ts';

/** `.` is a good record, `x` an invalid one; offsets count from 0. */
function verdicts(text: string, partition = 0): OracleVerdict[] {
  return text.split('').map((letter, offset) => ({ partition, offset, invalid: letter === 'x' }));
}

const NONE: ReadonlyMap<number, number> = new Map();
/** More than 2 among the last 10. */
const LIMIT = { rate: 0.2, window: 10, accepted: NONE };

test.for([
  ['x', null],
  ['xx', null],
  // Counted absolutely: the third of three, long before 10 records are there.
  ['xxx', 2],
  ['x........x..', null],
  ['x.......xx', 9],
  // The first has left the last ten when the third comes.
  ['x........xx', null],
  ['..........x.x.x....', 14],
])('%s stops at %s', ([text, expected]) => {
  expect(stopsAt(LIMIT, verdicts(text as string))).toBe(expected);
});

test('the default: more than 100 among the last 1,000', () => {
  const limit = { rate: 0.1, window: 1000, accepted: NONE };
  expect(stopsAt(limit, verdicts('x'.repeat(100)))).toBe(null);
  expect(stopsAt(limit, verdicts('x'.repeat(101)))).toBe(100);
  expect(stopsAt(limit, verdicts('x.........'.repeat(200)))).toBe(null);
  expect(stopsAt(limit, verdicts(`${'x.........'.repeat(99)}${'x'.repeat(10)}`))).toBe(991);
});

test('a batch’s end counts all its records, however few', () => {
  const limit = { rate: 0.1, window: 1000, accepted: NONE };
  expect(stopsAtEnd(limit, verdicts('xxx'))).toBe(true);
  expect(stopsAtEnd(limit, verdicts('x.........'))).toBe(false);
  expect(stopsAtEnd(limit, verdicts('x........'))).toBe(true);
  expect(stopsAtEnd(limit, [])).toBe(false);
  // Four partitions, one of them 15 % bad: 3.75 % of all.
  const good = '.'.repeat(100);
  const bad = '...............x.....x'.repeat(5).slice(0, 100);
  expect(
    stopsAtEnd(
      limit,
      [bad, good, good, good].flatMap((text, partition) => verdicts(text, partition)),
    ),
  ).toBe(false);
});

test('an accepted range stops nobody, and what comes after it does', () => {
  const until5 = { ...LIMIT, accepted: new Map([[0, 5]]) };
  expect(stopsAt(until5, verdicts('xxxxx'))).toBe(null);
  expect(stopsAt(until5, verdicts('xxxxxxx'))).toBe(null);
  expect(stopsAt(until5, verdicts('xxxxxxxx'))).toBe(7);
  expect(stopsAt(until5, verdicts('xxxxx', 1))).toBe(2);
  expect(stopsAtEnd(until5, verdicts('xxxxx'))).toBe(false);
  expect(stopsAtEnd(until5, verdicts('xxxxxx'))).toBe(false);
  expect(stopsAtEnd(until5, verdicts('xxxxxxx'))).toBe(true);
});
