import type pg from 'pg';
import { ident } from '../../engine/postgres/sql.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';

interface Backup {
  readonly schema: string;
  /** Quoted names of the tables of catalog and states, by their place in the backup. */
  readonly tables: ReadonlyMap<string, string>;
}

let backups = 0;

const TABLES = `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
  WHERE schemaname IN ('millrace_catalog', 'millrace_state') ORDER BY 1`;

/** Keeps a copy of all that Millrace has in the database, of one instant. */
export async function backUp(pool: pg.Pool): Promise<Backup> {
  const schema = `backup_${++backups}`;
  return withTransaction(
    pool,
    async (client) => {
      await client.query(`CREATE SCHEMA ${schema}`);
      const { rows } = await client.query<{ name: string }>(TABLES);
      const tables = new Map<string, string>();
      for (const [index, { name }] of rows.entries()) {
        const copy = `${schema}.${ident(`t${index}`)}`;
        await client.query(`CREATE TABLE ${copy} AS TABLE ${name}`);
        tables.set(copy, name);
      }
      return { schema, tables };
    },
    { isolation: 'repeatable read' },
  );
}

/** What a failover to a standby that was behind does to those who stay connected: from one instant to the next the database is as it was. */
export async function goBackTo(pool: pg.Pool, { tables }: Backup): Promise<void> {
  await withTransaction(pool, async (client) => {
    // Neither triggers nor foreign keys: every table is put back as it was.
    await client.query("SET LOCAL session_replication_role = 'replica'");
    const kept = new Set(tables.values());
    const { rows } = await client.query<{ name: string }>(TABLES);
    await client.query(`LOCK TABLE ${rows.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`);
    for (const { name } of rows)
      await client.query(kept.has(name) ? `DELETE FROM ${name}` : `DROP TABLE ${name} CASCADE`);
    for (const [copy, name] of tables) await client.query(`INSERT INTO ${name} OVERRIDING SYSTEM VALUE TABLE ${copy}`);
  });
}
