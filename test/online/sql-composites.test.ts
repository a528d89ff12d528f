import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sqlConstant } from '../../engine/online/sql-values.ts';
import { resultColumn } from '../../engine/postgres/column-types.ts';
import { jsonTree } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { carriedOf, compositeTypes } from '../laws/result-arbitraries.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { asCarried, exactText, expectedText } from './sql-values-as-text.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.drop());

/** Values of a type as a column of a SQL view has them, read back. */
async function throughPostgres(
  type: ResultType,
  values: readonly NonNullable<ScalarValue>[],
): Promise<(string | null)[]> {
  const { castName, ddl } = resultColumn(type);
  const rows = values.map((value, row) => `(${row}, ${sqlConstant(type, jsonTree(type, value)!)}::${castName})`);
  const client = await database.pool.connect();
  try {
    await client.query(`CREATE TEMP TABLE held (n int, x ${ddl})`);
    await client.query(`INSERT INTO held VALUES ${rows.join(', ')}`);
    const read = await client.query<{ x: string | null }>(
      `SELECT ${exactText(type, 'held.x')} AS x FROM held ORDER BY n`,
    );
    return read.rows.map(({ x }) => x);
  } finally {
    await client.query('DROP TABLE IF EXISTS held');
    client.release();
  }
}

describe.each(compositeTypes.map((type) => [nameOfType(type), type] as const))('a %s', (_, type) => {
  it('stands in a column of SQL to the bit: an array of scalars, else jsonb', async () => {
    const isJson = resultColumn(type).ddl === 'jsonb';
    expect(isJson).toBe(type.kind === 'map');
    await fc.assert(
      fc.asyncProperty(fc.array(carriedOf(type), { minLength: 1, maxLength: 40 }), async (values) => {
        const read = await throughPostgres(type, values);
        // jsonb has an order and a spelling of its own; what is read of it has neither.
        if (isJson) expect(read.map((text) => asCarried(type, text))).toEqual(values);
        else expect(read).toEqual(values.map((value) => expectedText(type, value)));
      }),
      lawRuns(5),
    );
  });
});

it('texts of a list compare by their bytes', async () => {
  const { ddl } = resultColumn({ kind: 'list', item: { kind: 'string' } });
  const client = await database.pool.connect();
  try {
    await client.query(`CREATE TEMP TABLE ordered (x ${ddl})`);
    await client.query(`INSERT INTO ordered VALUES (ARRAY['a']), (ARRAY['B']), (ARRAY['é'])`);
    const { rows } = await client.query<{ x: string }>('SELECT x[1] AS x FROM ordered ORDER BY ordered.x');
    expect(rows.map(({ x }) => x)).toEqual(['B', 'a', 'é']);
  } finally {
    client.release();
  }
});
