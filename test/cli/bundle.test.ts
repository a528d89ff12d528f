import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { storeBundle, unsigned } from '../../engine/bundles/bundle-registry.ts';
import { bundleKeyId, signBundle } from '../../engine/bundles/bundle-signature.ts';
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { bundleHash } from '../../engine/bundles/view-bundle.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { writeProject } from '../define/code-of.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { type CliResult, runCli } from './run-cli.ts';

const text = `import { z } from 'zod'; import { entity, featureView, source } from 'millrace';
const thing = entity('thing', { id: z.string() });
const events = source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() }), eventTime: 'at', topic: 'events' });
export const view = featureView('promoted', { entity: thing, source: events, features: (f) => ({ total: f.sum('n').over('7d') }) });`;

const keys = generateKeyPairSync('ed25519');
const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

let from: OwnDatabase;
let to: OwnDatabase;
let folder: string;
let file: string;
let fingerprint: string;
let stored: string;

beforeAll(async () => {
  const { databaseUrl } = inject('stack');
  [from, to] = await Promise.all([createOwnDatabase(databaseUrl), createOwnDatabase(databaseUrl)]);
  await Promise.all([migrateToLatest(from.pool), migrateToLatest(to.pool)]);
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-bundle-'));
  file = join(folder, 'promoted.bundle');
  const { views } = await compileDefinitions(await importDefinitions(writeProject({ 'index.ts': text })));
  const bundle = await makeBundle(views.get('promoted')!);
  const made = unsigned(bundle);
  stored = made.text;
  fingerprint = bundle.fingerprint;
  await storeBundle(
    from.pool,
    { ...made, signature: signBundle(bundleHash(made.text), keys.privateKey) },
    'ana@laptop',
  );
});
afterAll(async () => {
  await Promise.all([from.drop(), to.drop()]);
  rmSync(folder, { recursive: true, force: true });
});

it('apply signs what it stores; who trusts another key refuses it', async () => {
  const folder = writeProject({ 'index.ts': text.replaceAll('promoted', 'signed_view') });
  const path = join(dirname(folder), 'key.pem');
  writeFileSync(path, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const apply = (variables: NodeJS.ProcessEnv): Promise<CliResult> =>
    runCli(['apply', '--features', folder, '--json'], {
      DATABASE_URL: from.url,
      MILLRACE_DATA_DIR: folder,
      ...variables,
    });
  expect(await apply({ MILLRACE_BUNDLE_SIGN_KEY: path })).toMatchObject({ exitCode: 0 });
  const { rows } = await from.pool.query<{ key_id: string }>(
    `SELECT key_id FROM millrace_catalog.view_bundle WHERE view = 'signed_view'`,
  );
  expect(rows).toEqual([{ key_id: bundleKeyId(keys.publicKey) }]);
  expect(await bundle(from, ['show', 'signed_view'], { MILLRACE_BUNDLE_KEYS: publicKey })).toMatchObject({
    exitCode: 0,
  });
  const stranger = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect(await bundle(from, ['show', 'signed_view', '--json'], { MILLRACE_BUNDLE_KEYS: stranger })).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining('bundle-unsigned'),
  });
});

function bundle(on: OwnDatabase, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  return runCli(['bundle', ...args], {
    DATABASE_URL: on.url,
    MILLRACE_DATA_DIR: folder,
    MILLRACE_ACTOR: 'ben',
    ...more,
  });
}

async function rows(on: OwnDatabase): Promise<{ fingerprint: string; bundle: string; stored_by: string }[]> {
  const { rows } = await on.pool.query<{ fingerprint: string; bundle: string; stored_by: string }>(
    `SELECT fingerprint, convert_from(bundle, 'UTF8') AS bundle, stored_by FROM millrace_catalog.view_bundle`,
  );
  return rows;
}

it('a bundle is listed, shown, and taken to another installation, byte for byte under the same fingerprint', async () => {
  expect((await bundle(from, ['list'])).stdout).toMatch(
    new RegExp(`promoted.*${fingerprint.slice(0, 12)}.*ana@laptop`),
  );
  const shown = await bundle(from, ['show', fingerprint.slice(0, 10), '--source']);
  expect(shown.stdout).toContain(`──── index.ts\n${text}`);
  expect(await bundle(from, ['export', 'promoted', '--out', file])).toMatchObject({ exitCode: 0 });
  const again = await bundle(from, ['export', 'promoted', '--out', file, '--json']);
  expect(again).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('out-exists') });
  const dry = await bundle(to, ['import', file, '--dry-run', '--json']);
  expect(JSON.parse(dry.stdout)).toMatchObject({ view: 'promoted', fingerprint, isNew: true, dryRun: true });
  expect(await rows(to)).toEqual([]);
  expect(await bundle(to, ['import', file])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('stored') });
  expect(await rows(to)).toEqual([{ fingerprint, bundle: stored, stored_by: 'ben' }]);
  expect((await bundle(to, ['import', file])).stdout).toContain('is stored already');
  expect(await auditEvents(to.pool, { subject: 'promoted', limit: 5 })).toMatchObject([
    { actor: 'ben', action: 'bundle import', result: { fingerprint, isNew: true } },
  ]);
});

it('what was tampered with, is not signed by a key that is trusted, or is no bundle at all is refused, and nothing is stored', async () => {
  await to.pool.query('DELETE FROM millrace_catalog.view_bundle');
  const whole = readFileSync(file, 'utf8');
  const refusedAs = async (content: string, variables: NodeJS.ProcessEnv = {}): Promise<unknown> => {
    const path = join(folder, 'other.bundle');
    writeFileSync(path, content);
    const { exitCode, stdout } = await bundle(to, ['import', path, '--json'], variables);
    expect(exitCode).toBe(1);
    return (JSON.parse(stdout) as { error: { code: unknown } }).error.code;
  };
  expect(await refusedAs(whole.replace("'7d'", "'8d'"))).toBe('bundle-tampered');
  expect(await refusedAs('{"a": 1}')).toBe('bundle-tampered');
  const missing = await bundle(to, ['import', join(folder, 'nowhere'), '--json']);
  expect(JSON.parse(missing.stdout)).toMatchObject({ error: { code: 'bundle-file-missing' } });
  expect(await refusedAs(`${whole.split('\n')[0]}\n${' '.repeat(20 * 2 ** 20)}`)).toBe('bundle-too-large');
  const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect(await refusedAs(whole, { MILLRACE_BUNDLE_KEYS: other })).toBe('bundle-unsigned');
  expect(await refusedAs(whole, { MILLRACE_BUNDLE_KEYS: 'no key' })).toBe('bad-configuration');
  expect(await rows(to)).toEqual([]);
  const trusted = { MILLRACE_BUNDLE_KEYS: `${other},${publicKey}` };
  expect(await bundle(to, ['import', file], trusted)).toMatchObject({ exitCode: 0 });
  const unknown = await bundle(to, ['show', 'nobody', '--json']);
  expect(unknown).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('unknown-bundle') });
  const own = generateKeyPairSync('ed25519');
  const path = join(folder, 'own.pem');
  writeFileSync(path, own.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await to.pool.query('DELETE FROM millrace_catalog.view_bundle');
  expect(await refusedAs(whole, { MILLRACE_BUNDLE_SIGN_KEY: file })).toBe('bad-configuration');
  expect(await refusedAs(whole, { MILLRACE_BUNDLE_SIGN_KEY: join(folder, 'none.pem') })).toBe('bad-configuration');
  expect(await bundle(to, ['import', file], { MILLRACE_BUNDLE_SIGN_KEY: path })).toMatchObject({ exitCode: 0 });
  const ownOnly = own.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  expect(await bundle(to, ['show', 'promoted'], { MILLRACE_BUNDLE_KEYS: ownOnly })).toMatchObject({ exitCode: 0 });
  expect(statSync(file).size).toBe(Buffer.byteLength(whole));
});

it('the code of what a service derives is taken to versions of it that have none, and to no others', async () => {
  const model = (n: number): string =>
    text.replaceAll('promoted', 'seen').replace("'zod'; import { entity,", "'zod'; import { entity, featureService,") +
    `export const model = featureService('model', { views: [view], derived: (d) => ({ more: d.int(({ seen }) => (seen.total ?? 0) + ${n}) }) });`;
  const applied = async (on: OwnDatabase, n: number): Promise<void> => {
    const definitions = await compileDefinitions(await importDefinitions(writeProject({ 'index.ts': model(n) })));
    await applyDefinitions({ pool: on.pool, definitions, actor: 'ana@laptop' });
  };
  const kept = async (on: OwnDatabase): Promise<(string | null)[]> => {
    const { rows } = await on.pool.query<{ code: string | null }>(
      `SELECT convert_from(bundle, 'UTF8') AS code FROM millrace_catalog.service_version ORDER BY version`,
    );
    return rows.map(({ code }) => code);
  };
  await applied(from, 1);
  const [code] = await kept(from);
  const out = join(folder, 'model.bundle');
  const shown = await bundle(from, ['show', 'model', '--source']);
  expect(shown).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('derives: ') });
  expect(shown.stdout).toContain('kept with the service');
  const exported = await bundle(from, ['export', 'model', '--out', out, '--json']);
  expect(JSON.parse(exported.stdout)).toMatchObject({ service: 'model', derived: ['more'] });
  const unknown = await bundle(to, ['import', out, '--json']);
  expect(unknown).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('unknown-version') });
  // As versions from before code was kept are.
  for (const n of [1, 2]) await applied(to, n);
  await to.pool.query(
    'UPDATE millrace_catalog.service_version SET bundle = NULL, sha256 = NULL, key_id = NULL, signature = NULL',
  );
  const dry = await bundle(to, ['import', out, '--dry-run', '--json']);
  expect(JSON.parse(dry.stdout)).toMatchObject({ service: 'model', isNew: true, dryRun: true });
  expect(await kept(to)).toEqual([null, null]);
  expect(await bundle(to, ['import', out])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(': stored') });
  expect(await kept(to)).toEqual([code, null]);
  expect((await bundle(to, ['import', out])).stdout).toContain('is stored already');
  expect(await auditEvents(to.pool, { subject: 'model', limit: 3 })).toMatchObject([
    { actor: 'ben', action: 'bundle import', result: { isNew: true } },
    { action: 'apply' },
    { action: 'apply' },
  ]);
  writeFileSync(out, readFileSync(out, 'utf8').replace('+ 1', '+ 3'));
  const torn = await bundle(to, ['import', out, '--json']);
  expect(torn).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('bundle-tampered') });
});
