import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { brokenServices, locksOf, servicesWouldBreak } from '../../cli/broken-services.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { insertVersion } from '../../engine/postgres/view-versions.ts';
import { compiled, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const A = 'a'.repeat(16);
const B = 'b'.repeat(16);

let database: OwnDatabase;
let folder: string;
let version: number;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-locks-'));
  database = await createOwnDatabase(inject('stack').databaseUrl, 2);
  await migrateToLatest(database.pool);
  const [view] = await compiled(shopSales);
  const { name, fingerprint, layout, source } = view!;
  const about = { view: name, fingerprint, layout, layoutTag: 1, source: source.name, topic: null, builder: 'test' };
  const tags = { features: { n: A, total: B }, state: A, input: A };
  ({ version } = await insertVersion(database.pool, { ...about, tags }));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

const lock = (services: object): object => ({ services, views: {} });

test('are those locked to a feature that is gone, or means something else', async () => {
  const kept = { shop_sales: { n: A } };
  const locks = new Map<string, unknown>([
    ['one', lock({ reads_n: kept, reads_others: { product_sales: { n: B } } })],
    ['two', lock({ reads_all: { shop_sales: { n: B, total: B, gone: A } } })],
  ]);
  const broken = await brokenServices(database.pool, 'shop_sales', version, locks);
  expect(broken).toEqual([{ lock: 'two', service: 'reads_all', features: ['n', 'gone'] }]);
  const { code, message } = servicesWouldBreak('shop_sales', version, broken);
  expect(code).toBe('services-would-break');
  expect(message).toContain('reads_all (two): n, gone');
  expect(await brokenServices(database.pool, 'shop_sales', version + 1, locks)).toEqual([]);
});

test('are looked for in the locks that are named, else in the one beside the definitions, if there is one', async () => {
  const features = join(folder, 'features');
  expect(await locksOf(undefined, features)).toEqual(new Map());
  const path = join(folder, 'millrace.lock.json');
  writeFileSync(path, JSON.stringify(lock({})));
  expect(await locksOf(undefined, features)).toEqual(new Map([[path, lock({})]]));
  const other = join(folder, 'other.json');
  await expect(locksOf([other], features)).rejects.toMatchObject({ code: 'ENOENT' });
  writeFileSync(other, '{');
  await expect(locksOf([other], features)).rejects.toMatchObject({ code: 'invalid-lock' });
});
