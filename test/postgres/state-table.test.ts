import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type Arbitrary,
  assert,
  asyncProperty,
  bigInt,
  double,
  integer,
  maxSafeInteger,
  string,
  uniqueArray,
} from 'fast-check';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { columnFormat } from '../../engine/postgres/column-types.ts';
import { ident } from '../../engine/postgres/sql.ts';
import {
  copyStates,
  createStateTable,
  finishStateTable,
  readStates,
  stateTable,
  stateTableName,
  upsertStates,
} from '../../engine/postgres/state-table.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { withClient, withTransaction } from '../../engine/postgres/transaction.ts';
import { postgresTypes } from '../../engine/postgres/type-parsers.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

let database: OwnDatabase;
let tables = 0;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

function layoutOf(types: readonly ScalarType[]): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'v',
    entity: 'e',
    keys: types.map((type, index) => ({ name: index === 0 ? 'odd "name' : `key_${index}`, type })),
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: [],
  };
}

async function loaded(layout: ViewLayout, rows: readonly { key: ScalarValue[]; state: Uint8Array }[]): Promise<string> {
  const table = stateTableName('t', ++tables);
  await withTransaction(database.pool, async (client) => {
    await createStateTable(client, layout, table);
    expect(await copyStates(client, table, layout, rows)).toBe(rows.length);
    await finishStateTable(client, layout, table);
  });
  return table;
}

const MAX_US = 9_007_199_254_740_991;
const MIXED: readonly ScalarType[] = [
  { kind: 'string' },
  { kind: 'int' },
  { kind: 'int64' },
  { kind: 'decimal', precision: 38, scale: 10 },
  { kind: 'double' },
  { kind: 'timestamp' },
  { kind: 'date' },
  { kind: 'boolean' },
];

describe('state tables', () => {
  it('keeps keys of every type exact, as Postgres itself prints them', async () => {
    const layout = layoutOf(MIXED);
    const rows: { key: ScalarValue[]; state: Uint8Array; printed: string[] }[] = [
      {
        key: [
          'päth \u{1F600}',
          -MAX_US,
          -(2n ** 63n),
          '-1234567890123456789012345678.0000000001',
          5e-324,
          -1,
          '0001-01-01',
          true,
        ],
        printed: [
          'päth \u{1F600}',
          '-9007199254740991',
          '-9223372036854775808',
          '-1234567890123456789012345678.0000000001',
          '5e-324',
          '1969-12-31 23:59:59.999999+00',
          '0001-01-01',
          'true',
        ],
        state: new Uint8Array(0),
      },
      {
        key: [
          '',
          MAX_US,
          2n ** 63n - 1n,
          '0.0000000000',
          1.7976931348623157e308,
          991_353_600_250_001,
          '9999-12-31',
          false,
        ],
        printed: [
          '',
          '9007199254740991',
          '9223372036854775807',
          '0.0000000000',
          '1.7976931348623157e+308',
          '2001-06-01 00:00:00.250001+00',
          '9999-12-31',
          'false',
        ],
        state: Uint8Array.of(0, 255, 1),
      },
    ];
    const table = await loaded(layout, rows);
    const columns = layout.keys.map((key) => `${ident(key.name)}::text`).join(', ');
    const { rows: printed } = await database.pool.query<string[]>({
      text: `SELECT ${columns} FROM ${stateTable(table)} ORDER BY length(state)`,
      rowMode: 'array',
    });
    expect(printed).toEqual(rows.map((row) => row.printed));
    const wanted = [
      rows[1]!.key,
      ['nobody', 0, 0n, '1.0000000000', 0, 0, '2000-01-01', true],
      rows[0]!.key,
      rows[1]!.key,
    ];
    const read = await readStates(database.pool, table, layout, wanted);
    expect(read.map((one) => (one === null ? null : [...one.state]))).toEqual([[0, 255, 1], null, [], [0, 255, 1]]);
    expect(read[0]?.seq).toBe(0);
  });

  it('finds any decimal, timestamp, double, date and int64 it wrote, and prints them as written', async () => {
    const arbitrary: readonly [ScalarType, Arbitrary<ScalarValue>, (value: ScalarValue) => string][] = [
      [
        { kind: 'decimal', precision: 38, scale: 7 },
        bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }).map((units) => {
          const digits = (units < 0n ? -units : units).toString().padStart(8, '0');
          return `${units < 0n ? '-' : ''}${digits.slice(0, -7)}.${digits.slice(-7)}`;
        }),
        String,
      ],
      [{ kind: 'timestamp' }, maxSafeInteger().filter((us) => us > -62_135_596_800_000_000), String],
      [{ kind: 'double' }, double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0), String],
      [{ kind: 'int64' }, bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), String],
      [
        { kind: 'date' },
        integer({ min: -719_162, max: 2_932_896 }).map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
        String,
      ],
      [{ kind: 'string' }, string({ unit: 'binary' }).filter((text) => !text.includes('\0')), String],
    ];
    for (const [type, values, print] of arbitrary) {
      const layout = layoutOf([type]);
      await assert(
        asyncProperty(uniqueArray(values, { minLength: 1, maxLength: 40 }), async (keys) => {
          const table = await loaded(
            layout,
            keys.map((key, index) => ({ key: [key], state: Uint8Array.of(index) })),
          );
          const read = await readStates(
            database.pool,
            table,
            layout,
            keys.map((key) => [key]),
          );
          expect(read.map((one) => one?.state[0])).toEqual(keys.map((_, index) => index));
          const { rows } = await database.pool.query<{ key: unknown }>({
            text: `SELECT ${ident(layout.keys[0]!.name)}${type.kind === 'int64' ? '::text' : ''} AS key FROM ${stateTable(table)} ORDER BY state`,
            types: postgresTypes,
          });
          expect(rows.map((row) => String(row.key))).toEqual(keys.map(print));
          await database.pool.query(`DROP TABLE ${stateTable(table)}`);
        }),
        { numRuns: 12 },
      );
      expect(columnFormat(type).oid).toBeGreaterThan(0);
    }
  });

  it('inserts and replaces states under a commit number, in any order of rows', async () => {
    const layout = layoutOf([{ kind: 'string' }, { kind: 'int' }]);
    const table = await loaded(layout, [{ key: ['b', 1], state: Uint8Array.of(1) }]);
    await withTransaction(database.pool, (client) =>
      upsertStates(
        client,
        table,
        layout,
        [
          { key: ['c', 1], state: Uint8Array.of(3) },
          { key: ['b', 1], state: Uint8Array.of(2) },
          { key: ['b', -1], state: Uint8Array.of(4) },
        ],
        7,
        -(2n ** 63n),
      ),
    );
    const read = await readStates(database.pool, table, layout, [
      ['b', 1],
      ['c', 1],
      ['b', -1],
      ['a', 1],
    ]);
    const id = '-9223372036854775808';
    expect(read.map((one) => (one === null ? null : [one.state[0], one.seq, one.commitId]))).toEqual([
      [2, 7, id],
      [3, 7, id],
      [4, 7, id],
      null,
    ]);
  });

  it('keeps a checksum beside every state, loaded, inserted or replaced', async () => {
    const layout = layoutOf([{ kind: 'string' }]);
    // The check value of CRC-32 (0xcbf43926), and one that is negative as 32 signed bits.
    const digits = Buffer.from('123456789');
    const table = await loaded(layout, [
      { key: ['a'], state: digits },
      { key: ['b'], state: digits },
    ]);
    await withTransaction(database.pool, (client) =>
      upsertStates(
        client,
        table,
        layout,
        [
          { key: ['b'], state: Uint8Array.of(0) },
          { key: ['c'], state: new Uint8Array(0) },
        ],
        1,
        5n,
      ),
    );
    const column = layout.keys[0]!.name;
    const { rows } = await database.pool.query({
      text: `SELECT ${ident(column)}, state_crc FROM ${stateTable(table)} ORDER BY 1`,
      rowMode: 'array',
    });
    expect(rows).toEqual([
      ['a', 0xcbf43926 | 0],
      ['b', 0xd202ef8d | 0],
      ['c', 0],
    ]);
  });

  it('gives no state that something else changed, and one without a checksum as it is', async () => {
    const layout = layoutOf([{ kind: 'string' }]);
    const table = await loaded(layout, [
      { key: ['a'], state: Uint8Array.of(1, 2) },
      { key: ['b'], state: Uint8Array.of(3, 4) },
    ]);
    const column = ident(layout.keys[0]!.name);
    const read = (key: string) => withClient(database.pool, (client) => readStates(client, table, layout, [[key]]));
    await database.pool.query(`UPDATE ${stateTable(table)} SET state = set_byte(state, 1, 9) WHERE ${column} = 'a'`);
    await expect(read('a')).rejects.toMatchObject({
      code: 'state-corrupt',
      retryable: false,
      message: expect.stringContaining('odd "name=a'),
      remedy: expect.stringContaining('millrace audit v'),
    });
    expect(await read('b')).toMatchObject([{ seq: 0 }]);
    await database.pool.query(`UPDATE ${stateTable(table)} SET state_crc = NULL WHERE ${column} = 'a'`);
    expect([...(await read('a'))[0]!.state]).toEqual([1, 9]);
  });

  it('refuses a key Postgres cannot hold', async () => {
    const layout = layoutOf([{ kind: 'string' }]);
    const table = await loaded(layout, []);
    await expect(
      withClient(database.pool, (client) =>
        upsertStates(client, table, layout, [{ key: ['a\0b'], state: Uint8Array.of(1) }], 1, 5n),
      ),
    ).rejects.toMatchObject({ code: 'unstorable-text' });
  });

  it('names tables of long views uniquely within 63 bytes', () => {
    const long = 'v'.repeat(63);
    const names = [
      stateTableName(long, 1),
      stateTableName(long, 2),
      stateTableName(`${long.slice(1)}w`, 1),
      stateTableName('a', 1),
    ];
    expect(new Set(names).size).toBe(4);
    expect(names.every((name) => Buffer.byteLength(name) <= 63)).toBe(true);
  });
});
