import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from './queryable.ts';
import { installationOf } from './settled-queries.ts';
import { ident } from './sql.ts';

/** What stands between a user and the schemas that migrations need. */
export interface MissingSchemas {
  readonly names: readonly string[];
  /** For one who may, each without a semicolon. */
  readonly statements: readonly string[];
}

/**
 * The schemas that are not there, or that the user may make nothing in, where the user cannot make them either; null: nothing stands in the way.
 *
 * @example
 * await missingSchemas(pool); // { names: ['millrace'], statements: ['CREATE SCHEMA "millrace" AUTHORIZATION "ann"'] }
 */
export async function missingSchemas(on: Queryable): Promise<MissingSchemas | null> {
  const { rows: about } = await on.query<{ me: string; may: boolean }>(
    "SELECT current_user AS me, has_database_privilege(current_database(), 'CREATE') AS may",
  );
  const { me = '', may = false } = about[0] ?? {};
  const schemas = Object.values(installationOf(on).schemas);
  const { rows: present } = await on.query<{ name: string; usable: boolean }>({
    text: "SELECT nspname AS name, has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE') AS usable FROM pg_namespace WHERE nspname = ANY($1)",
    values: [schemas],
  });
  const lacks = schemas.flatMap((name) => {
    const found = present.find((schema) => schema.name === name);
    if (found === undefined)
      return may ? [] : [{ name, statement: `CREATE SCHEMA ${ident(name)} AUTHORIZATION ${ident(me)}` }];
    return found.usable ? [] : [{ name, statement: `GRANT USAGE, CREATE ON SCHEMA ${ident(name)} TO ${ident(me)}` }];
  });
  if (lacks.length === 0) return null;
  return { names: lacks.map(({ name }) => name), statements: lacks.map(({ statement }) => statement) };
}

/** Throws MillraceError `schemas-missing` where there are `missingSchemas`. */
export async function refuseMissingSchemas(on: Queryable): Promise<void> {
  const missing = await missingSchemas(on);
  if (missing === null) return;
  throw new MillraceError(
    'schemas-missing',
    `the schemas ${missing.names.join(', ')} are missing or closed, and this user may not make schemas in this database`,
    {
      remedy: `Let an administrator run in it, then try again: ${missing.statements.map((statement) => `${statement};`).join(' ')}`,
      httpStatus: 500,
      details: { ...missing },
    },
  );
}
