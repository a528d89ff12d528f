import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { MillraceError } from '../errors/millrace-error.ts';
import { OPEN_NAMES } from '../installation/open-names.ts';
import type { Queryable } from './queryable.ts';
import { type MigrationNote, noteOf, THIS_RELEASE } from './releases.ts';
import { CATALOG } from './schemas.ts';

/** A migration that has run and that this program does not know, with what its release noted: null where it noted nothing. */
export interface UnknownMigration {
  readonly name: string;
  readonly release: string | null;
  readonly needs: string | null;
}

/** Whether the session's user may read a table of the catalog; null where there is none. */
export async function mayRead(on: Queryable, table: string): Promise<boolean | null> {
  const { rows } = await on.query<{ may: boolean }>({
    text:
      "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may " +
      `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '${CATALOG.text}' AND c.relname = $1`,
    values: [table],
  });
  return rows[0]?.may ?? null;
}

/**
 * Migrations that note, as they run and in the same transaction, what they ask of programs that do not know them: each of itself, and the one
 * that makes the notes of all before it.
 *
 * @param earlier what ran before the first of `migrations`, whenever that was
 */
export function notingMigrations(
  migrations: Readonly<Record<string, Migration>>,
  earlier: readonly string[],
): Record<string, Migration> {
  const names = [...earlier, ...Object.keys(migrations)].toSorted();
  return Object.fromEntries(
    Object.entries(migrations).map(([name, migration]) => [
      name,
      {
        ...migration,
        up: async (db) => {
          await migration.up(db);
          await note(
            db,
            names.slice(0, names.indexOf(name) + 1).map((one) => noteOf(one)),
          );
        },
      },
    ]),
  );
}

async function note(db: Kysely<unknown>, notes: readonly MigrationNote[]): Promise<void> {
  const { rows } = await sql`
    SELECT FROM pg_tables WHERE schemaname = '${sql.raw(OPEN_NAMES.catalog)}' AND tablename = 'migration_note'`.execute(
    db,
  );
  if (rows.length === 0) return;
  for (const { name, release, needs } of notes)
    await sql`
      INSERT INTO ${sql.raw(OPEN_NAMES.catalog)}.migration_note (name, release, needs)
      VALUES (${name}, ${release}, ${needs}) ON CONFLICT (name) DO NOTHING`.execute(db);
}

/** What has run of a later release, in order. Needs the right to read ledger and notes. */
export async function unknownMigrations(
  on: Queryable,
  ledger: string,
  known: readonly string[],
): Promise<UnknownMigration[]> {
  if ((await mayRead(on, ledger)) === null) return [];
  const { rows: ran } = await on.query<{ name: string }>({
    text: `SELECT name FROM ${CATALOG.text}.${ledger} WHERE NOT name = ANY($1) ORDER BY name`,
    values: [known],
  });
  if (ran.length === 0) return [];
  const hasNotes = (await mayRead(on, 'migration_note')) !== null;
  const { rows: notes } = hasNotes
    ? await on.query<MigrationNote>(`SELECT name, release, needs FROM ${CATALOG.text}.migration_note`)
    : { rows: [] };
  return ran.map(({ name }) => notes.find((one) => one.name === name) ?? { name, release: null, needs: name });
}

/**
 * The refusal of a database that a later release migrated in a way that this program cannot run beside; null where it may run.
 *
 * @param known the migrations this program has
 */
export function databaseAhead(unknown: readonly UnknownMigration[], known: readonly string[]): MillraceError | null {
  const refusing = unknown.filter(({ needs }) => needs !== null && !known.includes(needs));
  if (refusing.length === 0) return null;
  const newest = unknown.at(-1)?.release ?? null;
  const by = newest === null ? 'another release or branch of Millrace' : `release ${newest}`;
  return new MillraceError(
    'database-ahead',
    `the database was migrated by ${by}; ${refusing.map(({ name }) => name).join(', ')} ${refusing.length === 1 ? 'asks' : 'ask'} for a program that knows ${[...new Set(refusing.map(({ needs, name }) => needs ?? name))].join(', ')}, and this one is of release ${THIS_RELEASE} and knows ${known.at(-1)}`,
    {
      remedy:
        newest === null
          ? 'Run the release or branch that migrated it, or restore the database of before (docs/deploy.md, "Upgrade and downgrade").'
          : `Run release ${newest} here, or restore the database of before (docs/deploy.md, "Upgrade and downgrade").`,
      httpStatus: 503,
      details: { unknown, release: THIS_RELEASE },
    },
  );
}
