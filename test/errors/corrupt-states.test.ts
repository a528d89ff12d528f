import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { ALL_CORRUPT } from '../../engine/values/feature-errors.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createOnlineStore, type OnlineStore } from '../../engine/online/online-store.ts';
import type { CorruptRead } from '../../engine/online/view-read.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import { corruptLog } from '../../serving/corrupt-log.ts';
import { compiled, fixedClock, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const TABLE = 'millrace_state.shop_sales_v1';
const SHOPS = [['north'], ['süd'], ["o'shop \\"]];

let database: OwnDatabase;
let view: CompiledView;
let store: OnlineStore;
let told: CorruptRead[] = [];
let sound: Buffer;

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  [view] = (await compiled(shopSales)) as [CompiledView];
  await publish(
    database.pool,
    view,
    Array.from({ length: 30 }, (_, n) => sale(n)),
  );
  store = createOnlineStore({ pool: database.pool, clock: fixedClock, onCorrupt: (found) => told.push(found) });
  const { rows } = await database.pool.query<{ state: Buffer }>(`SELECT state FROM ${TABLE} WHERE shop = 'north'`);
  sound = rows[0]!.state;
});
beforeEach(async () => {
  told = [];
  await set(sound, stateCrc(sound));
});
afterAll(() => database.drop());

async function set(state: Buffer, crc: number | null): Promise<void> {
  await database.pool.query(`UPDATE ${TABLE} SET state = $1, state_crc = $2 WHERE shop = 'north'`, [state, crc]);
}

/** What client and SQL say of the three entities' errors. */
async function errors(): Promise<{ store: unknown; sql: unknown }> {
  const reads = await store.get('shop_sales', SHOPS);
  const { rows } = await database.pool.query('SELECT shop, errors, sales_1d, last_channel FROM millrace.shop_sales');
  const found = new Map((rows as { shop: string; errors: unknown }[]).map((row) => [row.shop, row]));
  const corrupt = found.get('north');
  if (corrupt?.errors !== null) expect(corrupt).toMatchObject({ sales_1d: null, last_channel: null });
  return {
    store: reads.map((read) => read.errors),
    sql: SHOPS.map(([shop]) => found.get(shop!)?.errors),
  };
}

const one = [ALL_CORRUPT, null, null];
const none = [null, null, null];

describe('a stored state that is not what was written is an error of its entity alone', () => {
  const cut = (): Buffer => sound.subarray(0, -2);
  const foreign = (): Buffer => Buffer.concat([sound.subarray(0, 4), Buffer.from([sound[4]! ^ 1]), sound.subarray(5)]);
  const cases: [string, () => Buffer, (state: Buffer) => number | null, RegExp][] = [
    ['a wrong checksum of the right bytes', () => sound, () => 7, /checksum differs/],
    ['bytes that are no state, without a checksum', cut, () => null, /malformed/],
    ['bytes that are no state, with theirs', cut, stateCrc, /malformed/],
    ['a state of another layout, with its checksum', foreign, stateCrc, /another version/],
    ['nothing at all', () => Buffer.alloc(0), () => null, /ends too early/],
  ];
  it.each(cases)('%s', async (_, bytes, crc, reason) => {
    await set(bytes(), crc(bytes()));
    expect(await errors()).toEqual({ store: one, sql: one });
    expect(told).toEqual([
      {
        view: 'shop_sales',
        version: 1,
        entity: { shop: 'north' },
        seq: 0,
        reason: expect.stringMatching(reason) as string,
      },
    ]);
    // An entity asked for alone, and some of its features, say the same.
    const [read] = await store.get('shop_sales', [['north']], { features: ['last_channel'] });
    expect(read).toMatchObject({ values: [null], errors: ALL_CORRUPT, found: true, ahead: false, seq: 0 });
  });

  it('is none where the row is older than checksums and sound', async () => {
    await set(sound, null);
    expect(await errors()).toEqual({ store: none, sql: none });
    expect(told).toEqual([]);
  });
});

describe('the log of corrupt states', () => {
  it('has each row, as a commit left it, once', () => {
    const lines: unknown[] = [];
    const log = corruptLog({ error: (about: unknown) => void lines.push(about) });
    const found = { view: 'v', version: 1, entity: { shop: 'north' }, seq: 3, reason: 'why' };
    for (const each of [found, found, { ...found, seq: 4 }, found, { ...found, entity: { shop: 'süd' } }]) log(each);
    expect(lines).toEqual([
      { code: 'state-corrupt', ...found },
      { code: 'state-corrupt', ...found, seq: 4 },
      { code: 'state-corrupt', ...found, entity: { shop: 'süd' } },
    ]);
  });
});
