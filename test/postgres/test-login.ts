import pg from 'pg';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { ident } from '../../engine/postgres/sql.ts';

/**
 * Makes a login with the password of `databaseUrl`, and returns that URL as the login's.
 *
 * @param attributes as `CREATE ROLE` takes them: `SUPERUSER`, `IN ROLE millrace_reader`
 */
export async function createLogin(on: Queryable, databaseUrl: string, name: string, attributes = ''): Promise<string> {
  const url = new URL(databaseUrl);
  const password = pg.escapeLiteral(decodeURIComponent(url.password));
  await on.query(`CREATE ROLE ${ident(name)} LOGIN PASSWORD ${password} ${attributes}`);
  url.username = name;
  return url.href;
}
