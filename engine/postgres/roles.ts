import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { GRANTS, PRIVATE_TABLES } from './grants.ts';
import { sqlState } from './postgres-error.ts';
import type { InstallationNames } from '../installation/installation-names.ts';
import type { Queryable } from './queryable.ts';
import { installationOf } from './settled-queries.ts';
import { ident } from './sql.ts';

const INSUFFICIENT_PRIVILEGE = '42501';

interface Owned {
  readonly kind: 'TABLE' | 'VIEW' | 'FUNCTION';
  /** Quoted, a function's with its argument types. */
  readonly name: string;
  readonly owner: string;
  readonly schema: string;
}

/** Everything in our schemas, with its owner. Sequences of identity columns go with their tables. */
const OWNED_SQL = `
  SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, format('%I.%I', n.nspname, c.relname) AS name,
         pg_get_userbyid(c.relowner) AS owner, n.nspname AS schema
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v')
  UNION ALL
  SELECT 'FUNCTION', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
         pg_get_userbyid(p.proowner), n.nspname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = ANY($1)
  ORDER BY 2`;

/** Whose an object is to be: what a worker makes for a view is the worker's, all else the owner's. */
function ownerOf({ kind, name, schema }: Owned, { schemas, roles }: InstallationNames): string {
  const isOfView =
    schema === schemas.surface ||
    schema === schemas.state ||
    (schema === schemas.sql && (kind === 'VIEW' || /_read(_entity)?"?\(/.test(name)));
  return isOfView ? roles.worker : roles.owner;
}

/**
 * The statements that give a database its roles and their rights: those that are missing, and all grants, which may be given again. For who may make
 * roles and owns the database; one who may not hands them to one who may.
 *
 * @example
 * const statements = await roleStatements(pool);
 */
export async function roleStatements(on: Queryable): Promise<string[]> {
  const names = installationOf(on);
  const { roles, schemas } = names;
  const { surface, catalog, state, sql } = schemas;
  const all = [surface, catalog, state, sql];
  const { rows: present } = await on.query<{ name: string }>({
    text: 'SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1)',
    values: [Object.values(roles)],
  });
  const { rows: about } = await on.query<{ me: string; database: string; ownerMayCreate: boolean }>({
    text:
      'SELECT current_user AS me, current_database() AS database, EXISTS (SELECT FROM pg_roles ' +
      `WHERE rolname = $1 AND has_database_privilege(oid, current_database(), 'CREATE')) AS "ownerMayCreate"`,
    values: [roles.owner],
  });
  const { me = '', database = '', ownerMayCreate = false } = about[0] ?? {};
  const { rows: owners } = await on.query<{ schema: string; owner: string }>({
    text: 'SELECT nspname AS schema, pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname = ANY($1)',
    values: [all],
  });
  const isOwnersAll = owners.length === all.length && owners.every((schema) => schema.owner === roles.owner);
  const { rows: objects } = await on.query<Owned>({ text: OWNED_SQL, values: [all] });
  const missing = Object.values(roles).filter((role) => !present.some(({ name }) => name === role));
  const { owner, worker, server, reader } = roles;
  const isSettled = missing.length === 0 && (await isMember(on, me, owner)) && (await isMember(on, owner, worker));
  return [
    ...missing.map((role) => `CREATE ROLE ${ident(role)} NOLOGIN`),
    // Who gives an object away must be able to be its new owner.
    ...(isSettled ? [] : [`GRANT ${ident(worker)} TO ${ident(owner)}`, `GRANT ${ident(owner)} TO ${ident(me)}`]),
    // A schema's new owner must be one who may make schemas; where all are its own already, it need not.
    ...(ownerMayCreate || isOwnersAll ? [] : [`GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(owner)}`]),
    ...owners
      .filter((schema) => schema.owner !== owner)
      .map(({ schema }) => `ALTER SCHEMA ${ident(schema)} OWNER TO ${ident(owner)}`),
    ...all.flatMap((schema) => [
      `REVOKE ALL ON SCHEMA ${ident(schema)} FROM PUBLIC`,
      `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(worker)}`,
    ]),
    ...[surface, state, sql].map((schema) => `GRANT CREATE ON SCHEMA ${ident(schema)} TO ${ident(worker)}`),
    `GRANT USAGE ON SCHEMA ${ident(catalog)}, ${ident(state)} TO ${ident(server)}`,
    `GRANT USAGE ON SCHEMA ${ident(surface)} TO ${ident(reader)}`,
    ...objects
      .filter((object) => object.owner !== ownerOf(object, names))
      .map((object) => `ALTER ${object.kind} ${object.name} OWNER TO ${ident(ownerOf(object, names))}`),
    ...Object.entries(GRANTS).flatMap(([table, grants]) => [
      `REVOKE ALL ON ${ident(catalog, table)} FROM PUBLIC, ${ident(worker)}, ${ident(server)}`,
      ...Object.entries(grants).map(
        ([role, rights]) => `GRANT ${rights} ON ${ident(catalog, table)} TO ${ident(roles[role as 'worker'])}`,
      ),
    ]),
    ...PRIVATE_TABLES.map((table) => `GRANT SELECT ON ${ident(catalog, table)} TO ${ident(worker)}, ${ident(server)}`),
    `GRANT SELECT ON ALL TABLES IN SCHEMA ${ident(state)} TO ${ident(server)}`,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${ident(worker)} IN SCHEMA ${ident(state)} GRANT SELECT ON TABLES TO ${ident(server)}`,
  ];
}

async function isMember(on: Queryable, role: string, of: string): Promise<boolean> {
  const { rows } = await on.query<{ is: boolean }>({
    text: "SELECT pg_has_role($1::name, $2::name, 'MEMBER') AS is",
    values: [role, of],
  });
  return rows[0]?.is === true;
}

/**
 * Runs `roleStatements` inside the transaction of `client`, and gives them. Throws MillraceError `rights-not-given` where the user may not.
 */
export async function applyRoles(client: pg.ClientBase): Promise<string[]> {
  const statements = await roleStatements(client);
  for (const statement of statements) {
    try {
      await client.query(statement);
    } catch (error) {
      if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      throw new MillraceError(
        'rights-not-given',
        `this user may not give the roles of Millrace their rights: "${statement}": ${error instanceof Error ? error.message : String(error)}`,
        {
          remedy:
            'The tables are up to date, and no role was changed. Hand what "millrace migrate --dry-run" prints to an administrator, or leave roles alone with --no-roles.',
          httpStatus: 500,
          cause: error,
        },
      );
    }
  }
  return statements;
}
