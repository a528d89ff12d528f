import { array, assert, asyncProperty, constantFrom, nat } from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { installSqlSurface } from '../../engine/online/sql-surface.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createStateTable } from '../../engine/postgres/state-table.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';
import { eventsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from '../laws/arbitraries.ts';
import { stateOf } from '../laws/engine-reads.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { exactText, expectedText } from './sql-values-as-text.ts';

let database: OwnDatabase;
let surfaces = 0;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

type SqlRead = { readonly values: (string | null)[] } | { readonly failed: string };

/** Installs the SQL surface of a layout and gives the function that decodes bytes with it. */
async function sqlReader(layout: ViewLayout): Promise<(state: Uint8Array, atUs: number) => Promise<SqlRead>> {
  const table = `${layout.view}_v1`;
  const { layoutTag } = createViewReducer(layout);
  await withTransaction(database.pool, async (client) => {
    await createStateTable(client, layout, table);
    await installSqlSurface(client, { layout, layoutTag, stateTable: table }, null);
  });
  const columns = layout.features.map((feature, index) => exactText(feature.result, `r.o${index}`));
  const text = `SELECT r.ahead, ${columns.join(', ')} FROM millrace_sql.${layout.view}_read($1, timestamptz '1970-01-01 00:00:00+00' + $2::bigint * interval '1 microsecond') r`;
  return async (state, atUs) => {
    try {
      const { rows } = await database.pool.query<[boolean, ...(string | null)[]]>({
        name: `read-${layout.view}`,
        text,
        values: [Buffer.from(state), atUs],
        rowMode: 'array',
      });
      const [, ...values] = rows[0]!;
      return { values };
    } catch (error) {
      return { failed: error instanceof Error ? error.message : 'unknown' };
    }
  };
}

const hasNul = (values: readonly ScalarValue[]): boolean =>
  values.some((value) => typeof value === 'string' && value.includes('\0'));

/** What the engine reads, as SQL has to show it: values, or an error that names the feature. */
function expectedRead(layout: ViewLayout, state: EntityState, atUs: number): SqlRead {
  let values: ScalarValue[];
  try {
    values = createViewReducer(layout).read(state, atUs);
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return { failed: expect.stringContaining(`"${String(error.details['feature'])}"`) as string };
  }
  if (hasNul(values)) return { failed: expect.stringContaining('U+0000') as string };
  return { values: values.map((value, at) => expectedText(layout.features[at]!.result, value)) };
}

describe('the generated SQL decoder reads every state as the engine does, bit for bit', () => {
  for (const type of scalarTypes) {
    for (const tieBreak of ['id', 'offset'] as const) {
      it(`${typeName(type)}, ties by ${tieBreak}`, async () => {
        const surface = surfaces++;
        const cases = [
          { tiled: tilings.slice(0, 3), lifetime: true },
          { tiled: [tilings[5]!], lifetime: false },
          { tiled: [tilings[3]!, tilings[4]!], lifetime: false },
        ];
        for (const [index, { tiled, lifetime }] of cases.entries()) {
          const layout = { ...layoutOf(type, tieBreak, tiled, lifetime), view: `law_${surface}_${index}` };
          const reducer = createViewReducer(layout);
          const readSql = await sqlReader(layout);
          await assert(
            asyncProperty(
              eventsOf(layout, type, tiled, 16),
              array(nat(), { minLength: 3, maxLength: 3 }),
              async (events, picks) => {
                const state = stateOf(reducer, events);
                const earliest = Math.min(...events.map((event) => event.eventTimeUs), 0);
                const times = readTimesOf(layout, events, earliest).filter((at) => at > -8_000_000_000_000_000);
                for (const pick of picks) {
                  const atUs = times[pick % times.length];
                  if (atUs === undefined) continue;
                  const sql = await readSql(reducer.encode(state), atUs);
                  expect(sql).toEqual(expectedRead(layout, state, atUs));
                }
              },
            ),
            lawRuns(12),
          );
        }
      });
    }
  }

  it('refuses a state of another layout rather than misread it', async () => {
    const layout = { ...layoutOf({ kind: 'int' }, 'id', [], true), view: 'law_other' };
    const readSql = await sqlReader(layout);
    const other = createViewReducer({ ...layout, view: 'law_another' });
    expect(await readSql(other.encode(other.empty()), 0)).toMatchObject({
      failed: expect.stringContaining('another version of the view') as string,
    });
  });

  it('reads means that underflow, and sums that reach the edge of double, as the engine does', async () => {
    const layout = { ...layoutOf({ kind: 'double' }, 'id', [], true), view: 'law_edges' };
    const reducer = createViewReducer(layout);
    const readSql = await sqlReader(layout);
    const tiny = [5e-324, -5e-324, 1e-323, 2.2250738585072014e-308, 0];
    await assert(
      asyncProperty(array(constantFrom(...tiny), { minLength: 1, maxLength: 9 }), async (inputs) => {
        const state = stateOf(
          reducer,
          inputs.map((value, index) => ({
            keyText: 'k',
            key: ['k'],
            eventTimeUs: index,
            id: `${index}`,
            partition: 0,
            offset: index,
            inputs: layout.slots.map(({ input }) => (input === null ? true : value)),
          })),
        );
        expect(await readSql(reducer.encode(state), 1_000)).toEqual({
          values: reducer.read(state, 1_000).map((value, at) => expectedText(layout.features[at]!.result, value)),
        });
      }),
      lawRuns(40),
    );
  });
});
