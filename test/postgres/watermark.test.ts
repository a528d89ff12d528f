import fc from 'fast-check';
import { expect, inject, it } from 'vitest';
import { createPool } from '../../engine/postgres/pool.ts';
import { postgresTypes } from '../../engine/postgres/type-parsers.ts';
import { WATERMARK_SQL } from '../../engine/postgres/watermark-sql.ts';
import { viewWatermark } from '../../engine/topic/watermark.ts';
import { initialState } from '../../workflows/feature-lifecycle/state.ts';
import { statusOf } from '../../workflows/feature-lifecycle/status.ts';

it.each([
  ['nothing', [], null],
  ['nothing seen', [[0, null]], null],
  [
    'none lags: the newest',
    [
      [0, 5],
      [0, 9],
      [0, null],
    ],
    9,
  ],
  [
    'one lags: it holds back',
    [
      [0, 9],
      [4, 5],
    ],
    5,
  ],
  [
    'the least of those that lag',
    [
      [1, 7],
      [4, 6],
      [0, 2],
    ],
    6,
  ],
  [
    'one lags that has seen nothing',
    [
      [0, 9],
      [4, null],
    ],
    null,
  ],
] as const)('%s', (_, parts, expected) => {
  expect(viewWatermark(parts.map(([lag, watermarkUs]) => ({ lag, watermarkUs })))).toBe(expected);
});

it('is one and the same for readers, of the catalog, and on the page of a lifecycle', async () => {
  const pool = createPool(inject('stack').databaseUrl, { max: 1, applicationName: 'test' });
  const times = fc.option(fc.integer({ min: 0, max: 20 }));
  const part = fc.record({ lag: fc.constantFrom(0, 0, 3, 7), watermarkUs: times });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), times, async (parts, historyUs) => {
        // A partition starts at the watermark of history.
        const seen = parts.map((one) => ({ ...one, watermarkUs: one.watermarkUs ?? historyUs }));
        const expected = parts.length === 0 ? historyUs : viewWatermark(seen);
        const { rows } = await pool.query<{ at: number | null }>({
          text: `SELECT ${WATERMARK_SQL} AS at FROM (SELECT $1::bigint AS history_watermark_us) v
            LEFT JOIN unnest($2::bigint[], $3::bigint[]) AS o(end_offset, watermark_us) ON true
            CROSS JOIN LATERAL (SELECT 100 AS next_offset) n GROUP BY v.history_watermark_us`.replaceAll(
            'o.next_offset',
            'n.next_offset',
          ),
          values: [historyUs, parts.map(({ lag }) => 100 + lag), parts.map(({ watermarkUs }) => watermarkUs)],
          types: postgresTypes,
        });
        expect(rows[0]?.at).toBe(expected);
        if (parts.length === 0) return;
        const byShard = <Value>(pick: (one: (typeof seen)[number]) => Value): Record<string, Value> =>
          Object.fromEntries(seen.map((one, shard) => [String(shard), pick(one)]));
        const state = {
          ...initialState('clicks', parts.length),
          lags: byShard(({ lag }) => lag),
          watermarks: byShard(({ watermarkUs }) => watermarkUs),
        };
        expect(statusOf(state).watermarkUs).toBe(expected);
      }),
      { numRuns: 200 },
    );
  } finally {
    await pool.end();
  }
});
