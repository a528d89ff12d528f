import fc, { type Arbitrary } from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { keyText } from '../../engine/define/key-text.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { KeySample } from '../../engine/parity/key-sample.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { bindKeys, copyStates, createStateTable, stateTable, unnestKeys } from '../../engine/postgres/state-table.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

const seed = Date.now() % 2 ** 31;

const KEYS: readonly [ScalarType, Arbitrary<ScalarValue>][] = [
  [{ kind: 'string' }, fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'))],
  [{ kind: 'int' }, fc.maxSafeInteger()],
  [{ kind: 'int64' }, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  [
    { kind: 'decimal', precision: 12, scale: 3 },
    fc.integer({ min: -99_999, max: 99_999 }).map((units) => `${units < 0 ? '-' : ''}${Math.abs(units)}.050`),
  ],
  [{ kind: 'double' }, fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)],
  [{ kind: 'timestamp' }, fc.maxSafeInteger().filter((us) => us > -62_135_596_800_000_000)],
  [
    { kind: 'date' },
    fc.integer({ min: -719_162, max: 2_932_896 }).map((day) => new Date(day * 86_400_000).toISOString().slice(0, 10)),
  ],
  [{ kind: 'boolean' }, fc.boolean()],
  [{ kind: 'enum', values: ['a', 'ü\u0001'] }, fc.constantFrom('a', 'ü\u0001')],
];

test('Postgres and Node draw the same sample, of keys of every type', async () => {
  console.log(`seed ${seed}`);
  const layout: ViewLayout = {
    semantics: ENGINE_SEMANTICS,
    view: 'v',
    entity: 'e',
    keys: KEYS.map(([type], index) => ({ name: index === 0 ? 'odd "name' : `key_${index}`, type })),
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: [],
  };
  const keys = fc.sample(fc.tuple(...KEYS.map(([, arbitrary]) => arbitrary)), { numRuns: 400, seed });
  await withTransaction(database.pool, async (client) => {
    await createStateTable(client, layout, 'sampled');
    await copyStates(
      client,
      'sampled',
      layout,
      keys.map((key) => ({ key, state: Uint8Array.of(1) })),
    );
  });
  for (const fraction of [0, 0.1, 0.5, 0.9, 1]) {
    const sample = new KeySample(layout, fraction);
    const here = keys.filter((key) => sample.takes(key));
    // The keys go out in binary, so that what comes back is their number, not their text.
    const match = layout.keys.map(({ name }, at) => `s."${name.replaceAll('"', '""')}" = wanted.k${at}`).join(' AND ');
    const { rows } = await database.pool.query<{ ord: string }>(
      `SELECT DISTINCT wanted.ord FROM ${unnestKeys(layout, 1)}
       JOIN (SELECT * FROM ${stateTable('sampled')} WHERE ${sample.condition}) s ON ${match}`,
      bindKeys(layout, keys),
    );
    const there = new Set(rows.map(({ ord }) => keyText(keys[Number(ord) - 1]!)));
    expect(there).toEqual(new Set(here.map((key) => keyText(key))));
    expect(Math.abs(here.length / keys.length - fraction)).toBeLessThan(0.15);
  }
});
