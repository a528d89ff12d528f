import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  checkedBundle,
  listBundles,
  type SignedBundle,
  storeBundle,
  storedFingerprintOf,
  unsigned,
  viewBundle,
} from '../../engine/bundles/bundle-registry.ts';
import { bundleKeyId, signBundle } from '../../engine/bundles/bundle-signature.ts';
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { bundleHash, bundleText } from '../../engine/bundles/view-bundle.ts';
import { StoredVersionCode } from '../../engine/bundles/version-code.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView, Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { applyRoles } from '../../engine/postgres/roles.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { createLogin } from '../postgres/test-login.ts';
import { outcomesOf } from './outcomes.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(() => database.drop());

const clicks = (name: string, factor: number): string => `import { z } from 'zod';
import { entity, featureView, source } from 'millrace';
const user = entity('user', { origin: z.string() });
const events = source('events', { schema: z.object({ id: z.string(), at: z.iso.datetime({ offset: true }), origin: z.string(),
  delay: z.int().nullable() }), eventTime: 'at', eventId: 'id', history: { path: 'logs/*.jsonl' } });
export const view = featureView('${name}', { entity: user, source: events,
  features: (f) => ({ total: f.sum((e) => (e.delay ?? 0) * ${factor}) }) });`;

async function definitionsOf(text: string): Promise<Definitions> {
  return compileDefinitions(await importDefinitions(writeProject({ 'index.ts': text })));
}

async function bundled(
  name: string,
  factor: number,
): Promise<{ view: CompiledView; definitions: Definitions; signed: SignedBundle }> {
  const definitions = await definitionsOf(clicks(name, factor));
  const view = definitions.views.get(name)!;
  return { view, definitions, signed: unsigned(await makeBundle(view)) };
}

/** As any release, or a hand in the database, may have written it. */
async function insertRaw(fingerprint: string, view: string, text: string): Promise<void> {
  await database.pool.query(
    `INSERT INTO millrace_catalog.view_bundle (fingerprint, view, semantics, bundle, sha256, layout, stored_by)
     VALUES ($1, $2, $3, $4, $5, '{"features":[{}]}', 'a hand')`,
    [fingerprint, view, ENGINE_SEMANTICS, Buffer.from(text), Buffer.from(bundleHash(text), 'hex')],
  );
}

describe('the registry', () => {
  it('keeps a bundle as it was stored first, and gives it back byte for byte', async () => {
    const { pool } = database;
    const { view, signed } = await bundled('kept', 2);
    expect(await viewBundle(pool, view.fingerprint)).toBeNull();
    expect(await storeBundle(pool, signed, 'ana@laptop')).toBe(true);
    expect(await storeBundle(pool, signed, 'ben@laptop')).toBe(false);
    expect(await viewBundle(pool, view.fingerprint)).toEqual(signed);
    expect(await listBundles(pool, 'kept')).toEqual([
      {
        fingerprint: view.fingerprint,
        view: 'kept',
        semantics: ENGINE_SEMANTICS,
        layout: view.layout,
        bytes: Buffer.byteLength(signed.text),
        sha256: bundleHash(signed.text),
        storedBy: 'ana@laptop',
        storedAtUs: expect.any(Number),
        keyId: null,
      },
    ]);
  });

  it('refuses what is not what was stored: by its hash, its fingerprint, its form and its size', async () => {
    const { pool } = database;
    const { view, signed } = await bundled('tampered', 2);
    await storeBundle(pool, signed, 'ana@laptop');
    await pool.query(
      `UPDATE millrace_catalog.view_bundle SET bundle = convert_to(replace(convert_from(bundle, 'UTF8'), '* 2', '* 9'), 'UTF8') WHERE view = 'tampered'`,
    );
    await expect(viewBundle(pool, view.fingerprint)).rejects.toMatchObject({
      code: 'bundle-tampered',
      message: expect.stringContaining('its hash does not fit'),
    });
    await insertRaw('another', 'tampered', signed.text);
    await expect(viewBundle(pool, 'another')).rejects.toMatchObject({ code: 'bundle-tampered' });
    await insertRaw('none', 'tampered', 'no bundle at all');
    await expect(viewBundle(pool, 'none')).rejects.toMatchObject({ code: 'bundle-tampered' });
    await insertRaw('parts', 'tampered', JSON.stringify({ form: 1, fingerprint: 'parts', modules: [] }));
    await expect(viewBundle(pool, 'parts')).rejects.toMatchObject({ code: 'bundle-tampered' });
    await insertRaw('later', 'tampered', JSON.stringify({ form: 2, fingerprint: 'later', view: 'tampered' }));
    await expect(viewBundle(pool, 'later')).rejects.toMatchObject({ code: 'bundle-unfit' });
    await insertRaw('large', 'tampered', ' '.repeat(20 * 2 ** 20));
    await expect(viewBundle(pool, 'large')).rejects.toMatchObject({ code: 'bundle-too-large', httpStatus: 413 });
    const large = { ...signed.bundle, modules: [{ path: 'a.ts', text: 'x'.repeat(2 ** 20 + 1) }] };
    await expect(storeBundle(pool, unsigned(large), 'ana@laptop')).rejects.toMatchObject({ code: 'bundle-too-large' });
  });

  it('knows a definition by the fingerprint that was stored of the same version', async () => {
    const { pool } = database;
    const { view, signed } = await bundled('known', 2);
    expect(await storedFingerprintOf(pool, view)).toBe(view.fingerprint);
    const earlier = { ...signed.bundle, fingerprint: 'as another bundler printed it' };
    await storeBundle(pool, unsigned(earlier), 'ana@laptop');
    expect(await storedFingerprintOf(pool, view)).toBe(earlier.fingerprint);
    const changed = (await definitionsOf(clicks('known', 3))).views.get('known')!;
    expect(await storedFingerprintOf(pool, changed)).toBe(changed.fingerprint);
    await storeBundle(pool, signed, 'ana@laptop');
    expect(await storedFingerprintOf(pool, view)).toBe(view.fingerprint);
  });

  it('takes rows from the owner alone: a worker and a server read', async () => {
    const { pool } = database;
    const admin = await pool.connect();
    await applyRoles(admin).finally(() => admin.release());
    const { view, signed } = await bundled('granted', 2);
    await storeBundle(pool, signed, 'ana@laptop');
    for (const role of ['worker', 'server'] as const) {
      const url = await createLogin(pool, database.url, `bundles_${role}`, `IN ROLE millrace_${role}`);
      const own = createPool(url, { max: 1 });
      try {
        expect((await viewBundle(own, view.fingerprint))?.text).toBe(signed.text);
        const other = unsigned({ ...signed.bundle, fingerprint: `by a ${role}` });
        await expect(storeBundle(own, other, role)).rejects.toThrow(/permission denied/);
        await expect(own.query('DELETE FROM millrace_catalog.view_bundle')).rejects.toThrow(/permission denied/);
      } finally {
        await own.end();
        await pool.query(`DROP ROLE bundles_${role}`);
      }
    }
  });
});

describe('signatures', () => {
  const release = generateKeyPairSync('ed25519');
  const other = generateKeyPairSync('ed25519');
  const keys = new Map([[bundleKeyId(release.publicKey), release.publicKey]]);

  it('are asked for where keys are set, and must be of one of them', async () => {
    const { pool } = database;
    const { view, signed } = await bundled('signed', 2);
    const { fingerprint } = view;
    const sha256 = bundleHash(signed.text);
    const signature = signBundle(sha256, release.privateKey);
    await storeBundle(pool, { ...signed, signature }, 'ana@laptop');
    expect((await viewBundle(pool, fingerprint, keys))?.signature).toEqual(signature);
    const received = { fingerprint, sha256, text: signed.text };
    const refused = { code: 'bundle-unsigned', httpStatus: 403 };
    expect(() => checkedBundle({ ...received, signature: null }, keys)).toThrow(expect.objectContaining(refused));
    for (const wrong of [
      signBundle(sha256, other.privateKey),
      { ...signBundle(sha256, other.privateKey), keyId: signature.keyId },
      signBundle(bundleHash('other'), release.privateKey),
    ])
      expect(() => checkedBundle({ ...received, signature: wrong }, keys)).toThrow(expect.objectContaining(refused));
    expect(checkedBundle({ ...received, signature: null }, null).text).toBe(signed.text);
  });
});

describe('the code of versions', () => {
  it('is the folder’s where it is the very code, else what was stored, imported once', async () => {
    const { pool } = database;
    const old = await bundled('versions', 2);
    await storeBundle(pool, old.signed, 'ana@laptop');
    const definitions = await definitionsOf(clicks('versions', 3));
    const now = definitions.views.get('versions')!;
    const code = new StoredVersionCode({ definitions, pool });
    const asked = (fingerprint: string) => code.viewOf({ view: 'versions', fingerprint });
    expect(await asked(now.fingerprint)).toBe(now);
    expect(code.imported).toEqual({ count: 0, bytes: 0 });
    const [first, second] = await Promise.all([asked(old.view.fingerprint), asked(old.view.fingerprint)]);
    expect(second).toBe(first);
    expect(await asked(old.view.fingerprint)).toBe(first);
    expect(code.imported).toEqual({ count: 1, bytes: Buffer.byteLength(old.signed.text) });
    expect(outcomesOf(first, 7)).toEqual(outcomesOf(old.view, 7));
    expect(outcomesOf(first, 7)).not.toEqual(outcomesOf(now, 7));
    expect(first.source.history?.path.startsWith(definitions.baseFolder)).toBe(true);
  });

  it('is the folder’s for a version of the same code that another release stored', async () => {
    const { pool } = database;
    const { view, definitions, signed } = await bundled('same', 2);
    await storeBundle(pool, unsigned({ ...signed.bundle, fingerprint: 'same before' }), 'ana@laptop');
    const code = new StoredVersionCode({ definitions, pool });
    const found = await code.viewOf({ view: 'same', fingerprint: 'same before' });
    expect(found.fingerprint).toBe('same before');
    expect(found).toEqual({ ...view, fingerprint: 'same before' });
    expect(code.imported.count).toBe(0);
  });

  it('is there for a view that the definitions have no more', async () => {
    const { pool } = database;
    const { view, signed } = await bundled('gone', 2);
    await storeBundle(pool, signed, 'ana@laptop');
    const definitions = await definitionsOf(clicks('other_view', 1));
    const code = new StoredVersionCode({ definitions, pool });
    const found = await code.viewOf({ view: 'gone', fingerprint: view.fingerprint });
    expect(outcomesOf(found, 3)).toEqual(outcomesOf(view, 3));
  });

  it('is refused by name where nobody stored it, where nobody knows the view, and where it is of earlier semantics', async () => {
    const { pool } = database;
    const { definitions, signed } = await bundled('asked', 2);
    const code = new StoredVersionCode({ definitions, pool });
    await expect(code.viewOf({ view: 'asked', fingerprint: 'lost' })).rejects.toMatchObject({
      code: 'definition-changed',
    });
    await expect(code.viewOf({ view: 'nobody', fingerprint: 'lost' })).rejects.toMatchObject({ code: 'unknown-view' });
    const retired = { ...signed.bundle, fingerprint: 'retired', semantics: ENGINE_SEMANTICS - 1 };
    await storeBundle(pool, unsigned(retired), 'ana@laptop');
    await expect(code.viewOf({ view: 'asked', fingerprint: 'retired' })).rejects.toMatchObject({
      code: 'semantics-retired',
    });
    // What is stored later is found: that nothing was there is not kept.
    await storeBundle(pool, unsigned({ ...signed.bundle, fingerprint: 'lost' }), 'ana@laptop');
    expect((await code.viewOf({ view: 'asked', fingerprint: 'lost' })).fingerprint).toBe('lost');
  });

  it('is refused where it imports what is not here, or is another definition than was stored, and is not tried again', async () => {
    const { pool } = database;
    const { signed } = await bundled('unfit', 2);
    const definitions = await definitionsOf(clicks('other_view', 1));
    const code = new StoredVersionCode({ definitions, pool });
    const storedWith = async (fingerprint: string, change: (text: string) => string): Promise<void> => {
      const modules = signed.bundle.modules.map(({ path, text }) => ({ path, text: change(text) }));
      await storeBundle(pool, unsigned({ ...signed.bundle, fingerprint, modules }), 'ana@laptop');
    };
    await storedWith('a builtin', (text) => `import { oracle } from 'node:oracle';\n${text}`);
    await storedWith('an export', (text) => text.replace('{ entity,', '{ prophecy, entity,'));
    await storedWith('a package', (text) => `import 'left-pad';\n${text}`);
    await storedWith('a file', (text) => `import './nowhere.ts';\n${text}`);
    await storedWith('other features', (text) => text.replace('total:', 'sum_of_all:'));
    await storedWith('no view', (text) => text.replace('export const view', 'const view'));
    const expected = {
      'a builtin': 'this Node has no module "node:oracle"',
      'an export': 'prophecy',
      'a package': 'the bundle holds no "left-pad"',
      'a file': 'the bundle holds no "./nowhere.ts"',
      'other features': 'layout',
      'no view': 'exports no view',
    };
    for (const [fingerprint, message] of Object.entries(expected)) {
      await expect(code.viewOf({ view: 'unfit', fingerprint })).rejects.toMatchObject({
        code: 'bundle-unfit',
        message: expect.stringContaining(message),
      });
    }
    const { count } = code.imported;
    await expect(code.viewOf({ view: 'unfit', fingerprint: 'other features' })).rejects.toMatchObject({
      code: 'bundle-unfit',
    });
    expect(code.imported.count).toBe(count);
  });

  it('says once that a process has imported its fill', async () => {
    const { pool } = database;
    const definitions = await definitionsOf(clicks('other_view', 1));
    const { signed } = await bundled('filling', 2);
    let full = 0;
    const code = new StoredVersionCode({ definitions, pool, most: 2, onFull: () => (full += 1) });
    const told: number[] = [];
    for (const fingerprint of ['fill 1', 'fill 2', 'fill 3']) {
      await storeBundle(pool, unsigned({ ...signed.bundle, fingerprint }), 'ana@laptop');
      await code.viewOf({ view: 'filling', fingerprint });
      told.push(full);
    }
    expect(told).toEqual([0, 1, 1]);
    expect(bundleText(signed.bundle)).toBe(signed.text);
  });
});
