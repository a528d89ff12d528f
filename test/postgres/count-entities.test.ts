import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { countEntities } from '../../engine/postgres/count-entities.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { copyStates, createStateTable, finishStateTable, upsertStates } from '../../engine/postgres/state-table.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

const layout: ViewLayout = {
  semantics: ENGINE_SEMANTICS,
  view: 'v',
  entity: 'e',
  keys: [{ name: 'n', type: { kind: 'int' } }],
  tieBreak: 'id',
  groups: [],
  slots: [],
  features: [],
};
const state = new Uint8Array([1, 2, 3]);

async function loaded(table: string, count: number): Promise<void> {
  await withTransaction(database.pool, async (client) => {
    await createStateTable(client, layout, table);
    await copyStates(
      client,
      table,
      layout,
      Array.from({ length: count }, (_, n) => ({ key: [n], state })),
    );
    await finishStateTable(client, layout, table);
  });
}

it('counts what the stream brought to a view that began empty', async () => {
  await loaded('empty_v1', 0);
  expect(await countEntities(database.pool, 'empty_v1')).toEqual({ entities: 0, isEstimate: false });
  const rows = [7, 8, 9].map((n) => ({ key: [n], state }));
  await upsertStates(database.pool, 'empty_v1', layout, rows, 1, 7n);
  await upsertStates(database.pool, 'empty_v1', layout, rows.slice(1), 2, 7n);
  expect(await countEntities(database.pool, 'empty_v1')).toEqual({ entities: 3, isEstimate: false });
});

it('takes the word of Postgres for many, and says so', async () => {
  await loaded('many_v1', 30_000);
  const { entities, isEstimate } = (await countEntities(database.pool, 'many_v1'))!;
  expect(isEstimate).toBe(true);
  expect(entities).toBeGreaterThan(28_500);
  expect(entities).toBeLessThan(31_500);
});

it('knows at least what it counted where Postgres has lost its count', async () => {
  await loaded('forgotten_v1', 0);
  const rows = Array.from({ length: 10_500 }, (_, n) => ({ key: [n], state }));
  await upsertStates(database.pool, 'forgotten_v1', layout, rows, 1, 7n);
  await database.pool.query("SELECT pg_stat_reset_single_table_counters('millrace_state.forgotten_v1'::regclass)");
  expect(await countEntities(database.pool, 'forgotten_v1')).toEqual({
    entities: expect.toSatisfy((n: number) => n > 10_000 && n < 11_000),
    isEstimate: true,
  });
});

it('says nothing of a table that is gone', async () => {
  expect(await countEntities(database.pool, 'gone_v1')).toBeNull();
});
