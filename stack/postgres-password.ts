import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

export const SUPERUSER = 'postgres';

/** In the data directory, readable by its owner alone, in the form of `PGPASSFILE`. */
export function passwordFile(dataDir: string): string {
  return join(dataDir, 'postgres.pgpass');
}

/** The superuser's password; null where none was set yet: a new cluster, or one of a release that had none. */
export function readPassword(dataDir: string): string | null {
  const file = passwordFile(dataDir);
  if (!existsSync(file)) return null;
  const password = readFileSync(file, 'utf8').trim().split(':').at(-1) ?? '';
  return password === '' ? null : password;
}

/** Whether the server asks for a password: read at its start, and when it is told to. */
export function writeAccess(cluster: string, method: 'trust' | 'scram-sha-256'): void {
  writeFileSync(join(cluster, 'pg_hba.conf'), `host all all 127.0.0.1/32 ${method}\n`);
}

/**
 * Gives the superuser of a server that asks for none yet a password of its own, keeps it in the data directory, and lets the server ask for it from
 * now on. Cut short at any point it is begun anew, or ended, by the next start.
 */
export async function setPassword(dataDir: string, cluster: string, port: number): Promise<string> {
  const password = randomBytes(24).toString('base64url');
  const client = superuserClient(port, '');
  try {
    await client.connect();
    // What is random in full needs no slow hash: it would only cost every connection.
    await client.query('SET scram_iterations = 1');
    await client.query(`ALTER ROLE ${SUPERUSER} PASSWORD ${pg.escapeLiteral(password)}`);
    const draft = `${passwordFile(dataDir)}.new`;
    writeFileSync(draft, `127.0.0.1:*:*:${SUPERUSER}:${password}\n`, { mode: 0o600 });
    chmodSync(draft, 0o600);
    renameSync(draft, passwordFile(dataDir));
    writeAccess(cluster, 'scram-sha-256');
    await client.query('SELECT pg_reload_conf()');
  } finally {
    await client.end();
  }
  return password;
}

/** A client of the superuser on the database that every server has. */
export function superuserClient(port: number, password: string): pg.Client {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5000,
  });
  client.on('error', () => undefined);
  return client;
}
