import { isDerived, storedFeatures, type ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { SQL_VIEW_COLUMNS } from '../define/names.ts';
import { columnFormat, resultColumn } from '../postgres/column-types.ts';
import { sqlState } from '../postgres/postgres-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { installationOf } from '../postgres/settled-queries.ts';
import { INNER_SQL, READER, SURFACE } from '../postgres/schemas.ts';
import { ident } from '../postgres/sql.ts';
import { stateTable } from '../postgres/state-table.ts';
import { decoderBody } from './sql-decoder.ts';
import { quoted } from './sql-values.ts';

/**
 * The form of the surface, raised whenever the same version would get another one: `view_version.sql_surface` says which form a live version has.
 * 1 raised errors; 2 has them as a column, and holds states to their checksums; 3 reads events whose ids are integers.
 */
export const SQL_SURFACE = 3;

/** What the SQL surface of a view is made from. */
export interface SurfaceVersion {
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  readonly stateTable: string;
}

interface Names {
  /** `millrace.<view>`: a row per stored entity that has not expired, as of now. */
  readonly view: string;
  /** `millrace.<view>_at`: the same at a time. */
  readonly at: string;
  /** The join keys alone, so that `_at` can be inlined without the state being readable. */
  readonly entities: string;
  /** Decodes given bytes, held to their checksum; anyone who may use the schema may call it. */
  readonly read: string;
  /** Looks an entity's state up with the owner's rights, and decodes it. */
  readonly readEntity: string;
}

function namesOf(view: string): Names {
  return {
    view: `${SURFACE.text}.${ident(view)}`,
    at: `${SURFACE.text}.${ident(`${view}_at`)}`,
    entities: `${INNER_SQL.text}.${ident(`${view}_entities`)}`,
    read: `${INNER_SQL.text}.${ident(`${view}_read`)}`,
    readEntity: `${INNER_SQL.text}.${ident(`${view}_read_entity`)}`,
  };
}

/** Whether two layouts give SQL views of the same columns, so that one can replace the other in place. */
function sameColumns(a: ViewLayout, b: ViewLayout): boolean {
  const columns = (layout: ViewLayout): string =>
    JSON.stringify([
      layout.keys.map((key) => [key.name, columnFormat(key.type).ddl]),
      storedFeatures(layout).map((feature) => [feature.name, resultColumn(feature.result).ddl]),
    ]);
  return columns(a) === columns(b);
}

function createStatements({ layout, layoutTag, stateTable: table }: SurfaceVersion, parallel: string): string[] {
  const names = namesOf(layout.view);
  const keys = layout.keys.map((key) => ({ name: ident(key.name), ...columnFormat(key.type) }));
  const features = storedFeatures(layout).map((feature) => ({
    name: ident(feature.name),
    ...resultColumn(feature.result),
  }));
  const outs = features.map((feature, index) => `OUT o${index} ${feature.castName}`);
  const signature = [...outs, 'OUT ahead boolean', 'OUT errors jsonb'].join(', ');
  const columns = features.map(({ name, ddl }, index) =>
    ddl.includes('COLLATE') ? `r.o${index} COLLATE "C" AS ${name}` : `r.o${index}::${ddl} AS ${name}`,
  );
  const keyNames = (from: string): string => keys.map(({ name }) => `${from}.${name}`).join(', ');
  const keyTypes = keys.map(({ castName }) => castName).join(', ');
  // By position: a name could be that of a join key.
  const keyMatch = keys.map(({ name }, index) => `s.${name} = $${index + 1}`).join(' AND ');
  const unexpired = layout.expireUs === undefined ? '' : ' WHERE r.ahead IS NOT NULL';
  const outNames = [...features.map((_, index) => `o${index}`), 'ahead', 'errors'].join(', ');
  return [
    `CREATE OR REPLACE FUNCTION ${names.read}(state_bytes bytea, state_crc int, at_time timestamptz, ${signature}) RETURNS record ` +
      `LANGUAGE plpgsql IMMUTABLE PARALLEL ${parallel} COST 1000 AS ${quoted(decoderBody(layout, layoutTag))}`,
    // The columns that stand beside the features come last: a surface from before there were errors is replaced in place, too.
    `CREATE OR REPLACE VIEW ${names.view} AS SELECT ${keyNames('s')}, ${columns.join(', ')}, now() AS as_of, r.ahead, r.errors ` +
      `FROM ${stateTable(table)} s CROSS JOIN LATERAL ${names.read}(s.state, s.state_crc, now()) r${unexpired}`,
    `CREATE OR REPLACE FUNCTION ${names.readEntity}(${keyTypes}, timestamptz, ${signature}) RETURNS record ` +
      'LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog COST 1000 AS ' +
      quoted(
        `DECLARE found_bytes bytea; found_crc int;\nBEGIN\nSELECT s.state, s.state_crc INTO found_bytes, found_crc FROM ${stateTable(table)} s WHERE ${keyMatch};\n` +
          `SELECT r.* INTO ${outNames} FROM ${names.read}(found_bytes, found_crc, $${keys.length + 1}) r;\nEND`,
      ),
    `CREATE OR REPLACE VIEW ${names.entities} AS SELECT ${keyNames('s')} FROM ${stateTable(table)} s`,
    // A single plain SELECT: the planner puts it in place of the call, and a condition on the join keys reaches the primary key. Its rows
    // are the view's, as only so its texts have the key columns' collation, without which the key's index would not be used.
    `CREATE OR REPLACE FUNCTION ${names.at}(timestamptz) RETURNS SETOF ${names.view} ` +
      'LANGUAGE sql STABLE AS ' +
      quoted(
        `SELECT ${keyNames('s')}, ${columns.join(', ')}, $1 AS as_of, r.ahead, r.errors ` +
          `FROM ${names.entities} s CROSS JOIN LATERAL ${names.readEntity}(${keyNames('s')}, $1) r${unexpired}`,
      ),
    `DROP FUNCTION IF EXISTS ${names.read}(bytea, timestamptz)`,
    `COMMENT ON VIEW ${names.view} IS ${commentOf(layout)}`,
  ];
}

/** What has no place in SQL is said of the view. */
function commentOf(layout: ViewLayout): string {
  const derived = layout.features.filter(isDerived).map(({ name }) => name);
  if (derived.length === 0) return 'NULL';
  return quoted(`Stored features only. Derived ones are in clients, HTTP and training sets: ${derived.join(', ')}.`);
}

function accessStatements(layout: ViewLayout, readerExists: boolean, callers: readonly string[]): string[] {
  const names = namesOf(layout.view);
  const keyTypes = layout.keys.map((key) => columnFormat(key.type).castName).join(', ');
  const lookUp = `${names.readEntity}(${keyTypes}, timestamptz)`;
  const functions = [`${names.at}(timestamptz)`, lookUp];
  return [
    // Functions are everyone's unless told otherwise; one of these reads states with its owner's rights.
    ...functions.map((signature) => `REVOKE EXECUTE ON FUNCTION ${signature} FROM PUBLIC`),
    ...callers.map((role) => `GRANT EXECUTE ON FUNCTION ${lookUp} TO ${role}`),
    ...(readerExists
      ? [
          ...functions.map((signature) => `GRANT EXECUTE ON FUNCTION ${signature} TO ${READER.text}`),
          `GRANT SELECT ON ${names.view}, ${names.entities} TO ${READER.text}`,
        ]
      : []),
  ];
}

/** Drops the SQL surface of a view. Throws MillraceError `sql-view-in-use` where a user's object stands on it. */
export async function dropSqlSurface(client: Queryable, layout: ViewLayout): Promise<void> {
  const names = namesOf(layout.view);
  const keyTypes = layout.keys.map((key) => columnFormat(key.type).castName).join(', ');
  const statements = [
    `DROP FUNCTION IF EXISTS ${names.at}(timestamptz)`,
    `DROP VIEW IF EXISTS ${names.view}`,
    `DROP FUNCTION IF EXISTS ${names.readEntity}(${keyTypes}, timestamptz)`,
    `DROP VIEW IF EXISTS ${names.entities}`,
    `DROP FUNCTION IF EXISTS ${names.read}(bytea, int, timestamptz)`,
    `DROP FUNCTION IF EXISTS ${names.read}(bytea, timestamptz)`,
  ];
  try {
    for (const statement of statements) await client.query(statement);
  } catch (error) {
    if (sqlState(error) !== '2BP01') throw error;
    throw new MillraceError(
      'sql-view-in-use',
      `${installationOf(client).schemas.surface}.${layout.view} cannot be replaced: ${error instanceof Error ? error.message : 'something depends on it'}`,
      {
        remedy: 'Its columns change: drop what stands on it first, and make it again afterwards.',
        httpStatus: 409,
        cause: error,
      },
    );
  }
}

/**
 * Drops the function that looks states up where it is of an older form: with other results it cannot be replaced. Nothing stands on it, as `_at`
 * names it in its text. Gives the roles that may call it, quoted: they may call the next one.
 */
async function dropOldForm(client: Queryable, layout: ViewLayout): Promise<readonly string[]> {
  const keyTypes = layout.keys.map((key) => columnFormat(key.type).castName).join(', ');
  const signature = `${namesOf(layout.view).readEntity}(${keyTypes}, timestamptz)`;
  const { rows } = await client.query<{ grantee: string | null }>({
    text:
      'SELECT DISTINCT a.grantee::regrole::text AS grantee FROM pg_proc p ' +
      "LEFT JOIN LATERAL aclexplode(p.proacl) a ON a.grantee <> 0 AND a.privilege_type = 'EXECUTE' " +
      `WHERE p.oid = to_regprocedure(${quoted(signature)}) AND NOT 'errors' = ANY(p.proargnames)`,
  });
  if (rows.length > 0) await client.query(`DROP FUNCTION ${signature}`);
  return rows.flatMap(({ grantee }) => grantee ?? []);
}

/** Features and join keys that a surface of this form cannot have as columns: it has such columns itself. */
function refuseReserved(layout: ViewLayout, schema: string): void {
  const names = [...layout.keys, ...layout.features].map(({ name }) => name);
  const taken = names.find((name) => SQL_VIEW_COLUMNS.includes(name));
  if (taken === undefined) return;
  throw new MillraceError(
    'reserved-name',
    `view "${layout.view}": "${taken}" cannot be a column of ${schema}.${layout.view}, which has a column of that name beside its features`,
    { remedy: 'Rename it in the definition, and rebackfill the view.', httpStatus: 409 },
  );
}

/**
 * Makes `millrace.<view>` and `millrace.<view>_at(timestamptz)` read `version`, inside the transaction that publishes it. Objects of the same
 * columns are replaced in place, so that what users built on them stays; others are dropped and made anew. `previous`: what is there now.
 *
 * @throws MillraceError `sql-view-in-use`, `reserved-name`.
 */
export async function installSqlSurface(
  client: Queryable,
  version: SurfaceVersion,
  previous: ViewLayout | null,
): Promise<void> {
  refuseReserved(version.layout, installationOf(client).schemas.surface);
  const { rows } = await client.query<{ exists: boolean; parallel: boolean }>({
    // Before 17 no function that handles errors may run in a parallel worker.
    text: `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER.text}') AS exists, current_setting('server_version_num')::int >= 170000 AS parallel`,
  });
  const parallel = rows[0]?.parallel === true ? 'SAFE' : 'RESTRICTED';
  if (previous !== null && !sameColumns(previous, version.layout)) await dropSqlSurface(client, previous);
  const callers = await dropOldForm(client, version.layout);
  for (const statement of createStatements(version, parallel)) await client.query(statement);
  for (const statement of accessStatements(version.layout, rows[0]?.exists === true, callers))
    await client.query(statement);
}
