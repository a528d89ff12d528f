import { chownSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkReachable } from '../../config/reachability.ts';
import { connectionOf, databaseUrlFault } from '../../engine/postgres/database-url.ts';
import { namePostgresError } from '../../engine/postgres/postgres-error.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { type RunningPostgres, startPostgres } from '../../stack/postgres.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';
import { postgresUser } from '../../stack/unprivileged-user.ts';

const ENCRYPTED = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';

const dataDir = temporaryDataDir();
const rootCert = join(dataDir, 'root.pem');
const otherCert = join(dataDir, 'other.pem');
let postgres: RunningPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ dataDir, onProgress: () => undefined });
});
afterAll(async () => {
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function urlWith(parameters: Record<string, string>): string {
  const url = new URL(postgres.url);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** Whether a session is encrypted. */
async function isEncrypted(parameters: Record<string, string>): Promise<boolean> {
  const url = urlWith(parameters);
  const pool = createPool(url, { max: 1 });
  try {
    const { rows } = await pool.query<{ ssl: boolean }>(ENCRYPTED);
    // What looks for the services beforehand goes the same way.
    await checkReachable({ databaseUrl: url });
    return rows[0]!.ssl;
  } catch (error) {
    throw namePostgresError(error, 'the test');
  } finally {
    await pool.end();
  }
}

/** Lets the server speak TLS from now on, with a certificate of its own for another host. */
async function offerTls(): Promise<void> {
  const pems = await generate([{ name: 'commonName', value: 'db.example' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'db.example' }] }],
  });
  const other = await generate([{ name: 'commonName', value: 'db.example' }]);
  writeFileSync(rootCert, pems.cert);
  writeFileSync(otherCert, other.cert);
  const pool = createPool(postgres.url, { max: 1 });
  const { rows } = await pool.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  const user = postgresUser();
  for (const [name, text] of [
    ['server.crt', pems.cert],
    ['server.key', pems.private],
  ] as const) {
    const path = join(rows[0]!.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    if (user !== null) chownSync(path, user.uid, user.gid);
  }
  await pool.query('ALTER SYSTEM SET ssl = on');
  await pool.query('SELECT pg_reload_conf()');
  await expect.poll(async () => (await pool.query<{ ssl: string }>('SHOW ssl')).rows[0]?.ssl).toBe('on');
  await pool.end();
}

describe('sslmode, as libpq has it', () => {
  it('of a server without TLS: what must be encrypted is refused, and what may be is not', async () => {
    for (const sslmode of ['disable', 'allow', 'prefer']) expect(await isEncrypted({ sslmode })).toBe(false);
    expect(await isEncrypted({})).toBe(false);
    for (const sslmode of ['require', 'verify-full'])
      await expect(isEncrypted({ sslmode })).rejects.toMatchObject({ code: 'certificate-refused' });
  });

  it('of a server with a certificate of its own, for another name', async () => {
    await offerTls();
    expect(await isEncrypted({ sslmode: 'disable' })).toBe(false);
    for (const sslmode of ['allow', 'prefer', 'require']) expect(await isEncrypted({ sslmode })).toBe(true);
    // Whoever signed it: as said, and no other.
    for (const sslmode of ['require', 'verify-ca']) {
      expect(await isEncrypted({ sslmode, sslrootcert: rootCert })).toBe(true);
      await expect(isEncrypted({ sslmode, sslrootcert: otherCert })).rejects.toMatchObject({
        code: 'certificate-refused',
      });
    }
    // Whose it is, too.
    for (const parameters of [
      { sslmode: 'verify-full', sslrootcert: rootCert },
      { sslmode: 'verify-full' },
      { sslmode: 'require', sslrootcert: 'system' },
    ])
      await expect(isEncrypted(parameters)).rejects.toMatchObject({ code: 'certificate-refused' });
  });

  it('is the environment’s where a URL has none', () => {
    const of = (url: string): string =>
      connectionOf(url, undefined, { PGSSLMODE: 'verify-ca', PGSSLROOTCERT: '/r.pem' }).connectionString;
    expect(of('postgres://a@b/c')).toContain('sslmode=verify-ca');
    expect(new URL(of('postgres://a@b/c')).searchParams.get('sslrootcert')).toBe('/r.pem');
    expect(of('postgres://a@b/c?sslmode=disable')).toContain('sslmode=disable');
    expect(connectionOf('postgres://a@b/c', undefined, {})).toMatchObject({
      connectionString: 'postgres://a@b/c',
      isTlsOptional: false,
    });
  });

  it('is refused by name where it cannot be', () => {
    expect(databaseUrlFault('postgres://a@b/c?sslmode=always', {})).toMatchObject({
      expected: expect.stringContaining('received "always"') as string,
    });
    expect(databaseUrlFault('postgres://a@b/c?sslmode=verify-ca', {})).toMatchObject({
      expected: 'sslrootcert beside sslmode=verify-ca',
    });
    expect(databaseUrlFault('postgres://a@b/c?sslmode=verify-ca&sslrootcert=/r.pem', {})).toBe(null);
  });
});
