/** The code of what a service derives: kept with its version when it is applied, and run by that version whatever definitions are at hand. */
import { generateKeyPairSync } from 'node:crypto';
import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { applyDefinitions, type ApplyOptions } from '../../engine/bundles/apply-definitions.ts';
import { bundleKeyId } from '../../engine/bundles/bundle-signature.ts';
import { makeServiceBundle } from '../../engine/bundles/make-bundle.ts';
import { openServiceBundle } from '../../engine/bundles/open-service-bundle.ts';
import { StoredServiceCode } from '../../engine/bundles/service-code.ts';
import { bundleText, parseServiceBundle } from '../../engine/bundles/view-bundle.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService, Definitions } from '../../engine/define/compiled-view.ts';
import type { DerivedCode } from '../../engine/define/derived-code.ts';
import { requestReader } from '../../engine/define/request-fields.ts';
import { tagOf } from '../../engine/define/tag-of.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { createServiceDerive } from '../../engine/derived/derive-service.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { serviceVersions } from '../../engine/postgres/service-versions.ts';
import { openedValue } from '../../engine/values/composite-text.ts';
import type { Cell } from '../../engine/values/cell.ts';
import { up as addServiceCode } from '../../migrations/0023-service-code.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

/** A view in two roles; `load` is the body of what the service derives, `busy` of a function of another file. */
async function definitionsOf(load: string, busy = 'n * 2', request = 'seats: z.int().min(1)'): Promise<Definitions> {
  const folder = writeProject({
    'index.ts': `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
import { busy } from './busy.ts';
const shop = entity('shop', { shop: z.string() });
const orders = source('orders', { schema: z.object({ at: z.iso.datetime(), shop: z.string() }), eventTime: 'at', topic: 'orders' });
export const sales = featureView('sales', { entity: shop, source: orders, features: (f) => ({ n: f.count(), n_1d: f.count().over('1d') }) });
export const model = featureService('model', {
  views: [sales.as('from', { shop: 'sender' }), sales],
  request: z.object({ ${request} }),
  derived: [
    (d) => ({ load: d.number(${load}) }),
    (d) => ({ twice: d.number(({ model }) => (model.load === null ? null : model.load * 2)) }),
  ],
});`,
    'busy.ts': `export const busy = (n: number): number => ${busy};`,
  });
  return compileDefinitions(await importDefinitions(folder));
}
const LOAD = '({ from, sales }, { request, at }) => busy(from.n) * request.seats + sales.n_1d + at / 1e15';
const OTHER = '({ from }) => from.n * 1000';

const modelOf = ({ services }: Definitions): CompiledService => services.get('model')!;

/** What code derives of two reads, `from` with n = 3 and `sales` with n_1d = 7, of 5 seats. */
function derived({ blocks, derived: plans }: DerivedCode): Cell[] {
  const seen = blocks.map(({ name, features }) => ({
    name,
    values: features.map((feature) => ({ name: feature.name, open: openedValue(feature.result) })),
  }));
  return createServiceDerive('model', seen, plans)(
    [
      [3, 2],
      [0, 7],
    ],
    { seats: 5 },
    1e15,
  );
}

describe('a bundle of a service', () => {
  it('derives what its folder does, by its own code and request', async () => {
    const service = modelOf(await definitionsOf(LOAD));
    const bundle = await makeServiceBundle(service);
    expect(bundle.modules.map(({ path }) => path)).toEqual(['busy.ts', 'index.ts']);
    const text = bundleText(bundle);
    expect(bundleText(parseServiceBundle(text))).toBe(text);
    const opened = await openServiceBundle(parseServiceBundle(text));
    // busy(3) * 5 + 7 + 1, and twice that.
    expect(derived(opened)).toEqual([38, 76]);
    expect(opened.blocks.map(({ name, view, columns }) => [name, view, columns])).toEqual([
      ['from', 'sales', { shop: 'sender' }],
      ['sales', 'sales', { shop: 'shop' }],
    ]);
    const read = requestReader('model', opened.request, 'json');
    expect(read({ seats: 1 })).toEqual({ seats: 1 });
    expect(() => read({ seats: 0 })).toThrow(expect.objectContaining({ code: 'invalid-request' }));
  });

  it('that says something else than what was stored of it does not run', async () => {
    const bundle = await makeServiceBundle(modelOf(await definitionsOf(LOAD)));
    const [load, twice] = bundle.declared.derived;
    for (const declared of [[load!], [twice!, load!], [load!, { ...twice!, type: { kind: 'int' as const } }]])
      await expect(
        openServiceBundle({ ...bundle, declared: { ...bundle.declared, derived: declared } }),
      ).rejects.toMatchObject({
        code: 'bundle-unfit',
        message: expect.stringContaining('service "model"') as string,
      });
    const gone = { ...bundle, entry: { ...bundle.entry, exportName: 'sales' } };
    await expect(openServiceBundle(gone)).rejects.toMatchObject({ code: 'bundle-unfit' });
    expect(() => parseServiceBundle(bundleText({ ...bundle, service: undefined as never }))).toThrow(
      expect.objectContaining({ code: 'bundle-tampered' }),
    );
  });
});

/** Takes the table back to where no code of services was kept, whatever migrations came later. */
async function undoMigration(pool: OwnDatabase['pool']): Promise<void> {
  const parts = ['bundle', 'sha256', 'key_id', 'signature'].map((column) => `DROP COLUMN ${column}`);
  await pool.query(`ALTER TABLE millrace_catalog.service_version ${parts.join(', ')}`);
}

describe('applied', () => {
  let database: OwnDatabase;
  beforeAll(async () => {
    database = await createOwnDatabase(inject('stack').databaseUrl);
    await migrateToLatest(database.pool);
    await undoMigration(database.pool);
  });
  afterAll(() => database.drop());

  const apply = async (definitions: Definitions, options: Partial<ApplyOptions> = {}) =>
    (await applyDefinitions({ pool: database.pool, definitions, actor: 'ana@laptop', ...options })).services;
  const known = async () =>
    (await serviceVersions(database.pool, 'model')).map((one) => [one.version, one.derives, one.hasCode]);
  const derivedBy = async (version: number, services?: Definitions['services']) => {
    const code = await new StoredServiceCode({ pool: database.pool, services }).derivedBy({
      service: 'model',
      version,
    });
    return code && derived(code);
  };

  it('is kept with its version, and run by it whatever is at hand; a version from before says by name that it has none', async () => {
    const first = await definitionsOf(LOAD);
    const { derivedTag } = modelOf(first);
    const features = first.views.get('sales')!.tags!.features;
    // As the release before noted it: with the tag over the code alone.
    const views = { sales: features };
    const blocks = {
      from: { view: 'sales', columns: { shop: 'sender' } },
      sales: { view: 'sales', columns: { shop: 'shop' } },
    };
    await database.pool.query(
      `INSERT INTO millrace_catalog.service_version (service, version, tag, views, blocks, actor) VALUES
        ('model', 1, 'of other code', $1, $2, 'then'), ('model', 2, $3, $1, $2, 'then')`,
      [JSON.stringify(views), JSON.stringify(blocks), tagOf({ views, blocks, derived: derivedTag! })],
    );
    await addServiceCode(new Kysely<unknown>({ dialect: new PostgresDialect({ pool: database.pool }) }));
    expect(await known()).toEqual([
      [2, true, false],
      [1, true, false],
    ]);
    await expect(derivedBy(2)).rejects.toMatchObject({
      code: 'definition-changed',
      message: 'service "model": the code of what its version 2 derives was not kept',
    });

    // The upgrade makes no version, and the newest gets its code.
    expect(await apply(first)).toEqual([]);
    expect(await known()).toEqual([
      [2, true, true],
      [1, true, false],
    ]);
    expect(await derivedBy(2)).toEqual([38, 76]);

    const second = await definitionsOf(OTHER);
    expect(await apply(second, { dryRun: true })).toEqual([]);
    expect(await apply(second)).toEqual([{ service: 'model', version: 3 }]);
    expect(await derivedBy(3, first.services)).toEqual([3000, 6000]);
    expect(await derivedBy(2, second.services)).toEqual([38, 76]);
    expect(await derivedBy(2, first.services)).toEqual([38, 76]);
    // A file that it imports is its code, too; a comment is not.
    expect(await apply(await definitionsOf(OTHER, '/* n */ n * 2'))).toEqual([]);
    expect(await apply(await definitionsOf(LOAD, 'n * 4'))).toEqual([{ service: 'model', version: 4 }]);
    expect(await derivedBy(4)).toEqual([68, 136]);
    await expect(derivedBy(1)).rejects.toMatchObject({ code: 'definition-changed' });
  });

  it('is the same version whatever another release or bundler told it by', async () => {
    const definitions = await definitionsOf(LOAD, 'n * 5');
    const [version] = await apply(definitions);
    const told = modelOf(definitions);
    const elsewhere = {
      ...definitions,
      services: new Map([['model', { ...told, derivedTag: 'as another bundler printed it' }]]),
    };
    expect(await apply(elsewhere)).toEqual([]);
    const changed = await definitionsOf(LOAD, 'n * 5', 'seats: z.int().min(2)');
    expect(await apply(changed)).toEqual([{ service: 'model', version: version!.version + 1 }]);
  });

  it('is held to its hash and, where there are keys, to a signature', async () => {
    const [own, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    const [version] = await apply(await definitionsOf(LOAD, 'n * 6'), { signKey: own.privateKey });
    const asked = { service: 'model', version: version!.version };
    const codeBy = (key: typeof own) =>
      new StoredServiceCode({ pool: database.pool, keys: new Map([[bundleKeyId(key.publicKey), key.publicKey]]) });
    expect(derived((await codeBy(own).derivedBy(asked))!)).toEqual([98, 196]);
    await expect(codeBy(other).derivedBy(asked)).rejects.toMatchObject({ code: 'bundle-unsigned' });
    await database.pool.query(
      `UPDATE millrace_catalog.service_version SET bundle = convert_to(replace(convert_from(bundle, 'UTF8'), 'n * 6', 'n * 9'), 'UTF8')
       WHERE service = 'model' AND version = $1`,
      [asked.version],
    );
    await expect(codeBy(own).derivedBy(asked)).rejects.toMatchObject({
      code: 'bundle-tampered',
      message: expect.stringContaining(`of service "model", version ${asked.version}`) as string,
    });
  });

  it('cannot be of what does not stand for itself: an error, or a version without code for whoever is told', async () => {
    const { carried: _, ...service } = modelOf(await definitionsOf(LOAD, 'n * 7'));
    const definitions = { ...(await definitionsOf(LOAD, 'n * 7')), services: new Map([['model', service]]) };
    await expect(apply(definitions)).rejects.toMatchObject({
      code: 'bundle-incomplete',
      message: expect.stringContaining('service "model" cannot be bundled') as string,
    });
    const told: string[] = [];
    const [version] = await apply(definitions, { onUnstorable: (name) => told.push(name) });
    expect(told).toEqual(['model']);
    await expect(derivedBy(version!.version)).rejects.toMatchObject({ code: 'definition-changed' });
  });

  it('is none of a service that derives nothing', async () => {
    const definitions = await definitionsOf(LOAD);
    const { derived: _, derivedTag: __, carried: ___, ...plain } = modelOf(definitions);
    const [version] = await apply({ ...definitions, services: new Map([['model', plain]]) });
    expect((await known())[0]).toEqual([version!.version, false, false]);
    expect(await derivedBy(version!.version)).toBeNull();
  });
});
