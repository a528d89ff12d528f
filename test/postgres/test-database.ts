import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';

/** A database of its own on the server of `serverUrl`, for one test file. */
export interface OwnDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  drop(): Promise<void>;
}

/** Makes an empty database (no migrations applied). */
export async function createOwnDatabase(serverUrl: string, max = 10): Promise<OwnDatabase> {
  const name = `own_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const admin = createPool(serverUrl, { max: 1 });
  await admin.query(`CREATE DATABASE ${ident(name)}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = createPool(url.href, { max, applicationName: 'millrace-test' });
  return {
    url: url.href,
    pool,
    drop: async () => {
      await pool.end();
      await admin.query(`DROP DATABASE ${ident(name)} WITH (FORCE)`);
      await admin.end();
    },
  };
}
