import { DEFAULT_INSTALLATION, installationNames } from '../../engine/installation/installation-names.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';

/**
 * Makes a database like another of the same server, which nobody may use meanwhile; returns its URL.
 *
 * @example
 * const databaseUrl = await cloneDatabase(stack.databaseUrl, 'none');
 */
export async function cloneDatabase(databaseUrl: string, name: string): Promise<string> {
  const from = new URL(databaseUrl).pathname.slice(1);
  const to = `${from}_${name}`;
  const pool = createPool(withDatabase(databaseUrl, 'postgres'), {
    max: 1,
    applicationName: 'millrace-watch',
    installation: installationNames(DEFAULT_INSTALLATION),
  });
  try {
    await pool.query(`CREATE DATABASE ${ident(to)} TEMPLATE ${ident(from)} STRATEGY file_copy`);
  } finally {
    await pool.end();
  }
  return withDatabase(databaseUrl, to);
}

function withDatabase(databaseUrl: string, name: string): string {
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.toString();
}
