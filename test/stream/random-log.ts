import fc from 'fast-check';
import type { NewRecord } from './memory-log.ts';
import { purchaseBytes } from './stream-view.ts';

/** One thing that happens to a topic. */
export type LogStep =
  | { readonly partition: number; readonly record: NewRecord }
  | { readonly partition: number; readonly control: number };

export interface RandomLog {
  readonly partitions: number;
  readonly steps: readonly LogStep[];
}

const DAY_S = 86_400;
/** Far from and near to each other, ties on purpose, before and after 1970. */
const BASE_S = [-3 * DAY_S, 0, 200 * DAY_S];

const purchase = fc.record({
  id: fc.integer({ min: 0, max: 24 }),
  // Mostly within a day of each other, some weeks late, some seconds equal.
  second: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: DAY_S }) },
    { weight: 2, arbitrary: fc.constantFrom(0, 3600, 7200, DAY_S) },
    { weight: 1, arbitrary: fc.integer({ min: -20 * DAY_S, max: 20 * DAY_S }) },
  ),
  customer: fc.option(fc.constantFrom('ana', 'bo', 'c\u{1F600}', '', 'é"\\'), { freq: 12 }),
  amount: fc.option(
    fc.oneof(fc.integer({ min: -5, max: 20 }), fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)),
    { freq: 8 },
  ),
  kept: fc.option(fc.boolean(), { freq: 3, nil: undefined }),
});

const value = (baseS: number): fc.Arbitrary<Buffer | null> =>
  fc.oneof(
    {
      weight: 20,
      arbitrary: purchase.map(({ id, second, customer, amount, kept }) => {
        const at = new Date((baseS + second) * 1000).toISOString();
        return purchaseBytes({ id: `id-${id}`, at, customer, amount, ...(kept === undefined ? {} : { kept }) });
      }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        null,
        Buffer.alloc(0),
        Buffer.from('no json'),
        Buffer.from('{"id":1}'),
        Buffer.from('[]'),
      ),
    },
  );

/** Logs with ties, late and duplicate records, nulls, tombstones, invalid ones, control records and negative times. */
export function randomLog(maxRecords: number): fc.Arbitrary<RandomLog> {
  return fc
    .record({ partitions: fc.integer({ min: 1, max: 4 }), baseS: fc.constantFrom(...BASE_S) })
    .chain(({ partitions, baseS }) =>
      fc.record({
        partitions: fc.constant(partitions),
        steps: fc.array(
          fc.oneof(
            {
              weight: 30,
              arbitrary: fc.record({
                partition: fc.nat(partitions - 1),
                record: value(baseS).map((bytes) => ({ value: bytes, timestampUs: (baseS + DAY_S * 2) * 1_000_000 })),
              }),
            },
            {
              weight: 1,
              arbitrary: fc.record({ partition: fc.nat(partitions - 1), control: fc.integer({ min: 1, max: 3 }) }),
            },
          ),
          // Without `size` fast-check mostly makes logs of a few records, in which hardly anything meets.
          { maxLength: maxRecords, size: 'max' },
        ),
      }),
    );
}
