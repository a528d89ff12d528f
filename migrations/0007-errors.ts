import { type Kysely, sql } from 'kysely';
import { OPEN_NAMES } from '../engine/installation/open-names.ts';
import { CATALOG, INNER_SQL } from './names.ts';

/** The table of CRC-32 (reflected, polynomial edb88320), as Postgres before 18 has to be told it. */
function crcTable(): number[] {
  return Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc >>> 0;
  });
}

/**
 * The body of `millrace_sql.state_crc(bytes bytea) RETURNS int`: CRC-32 as the signed 32 bits that stand beside a state.
 *
 * @param isBuiltIn Whether the server has `crc32(bytea)` (18 and later). Both bodies give the same.
 */
export function stateCrcFunction(name: string, isBuiltIn: boolean): string {
  const head = `CREATE FUNCTION ${name}(bytes bytea) RETURNS int IMMUTABLE PARALLEL SAFE STRICT`;
  if (isBuiltIn) {
    return `${head} LANGUAGE sql AS $$ SELECT ((pg_catalog.crc32(bytes) # 2147483648) - 2147483648)::int $$`;
  }
  return `${head} LANGUAGE plpgsql AS $$
    DECLARE
      steps bigint[] := '{${crcTable().join(',')}}';
      crc bigint := 4294967295;
    BEGIN
      FOR at IN 0..length(bytes) - 1 LOOP
        crc := steps[((crc # get_byte(bytes, at)) & 255) + 1] # (crc >> 8);
      END LOOP;
      RETURN (((crc # 4294967295) # 2147483648) - 2147483648)::int;
    END $$`;
}

/** What the SQL surface needs to hold states to their checksums and never to raise, and which form of it a live version has. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN sql_surface int NOT NULL DEFAULT 1`.execute(db);
  await sql`
    COMMENT ON COLUMN ${CATALOG}.view_version.sql_surface IS 'the form of the SQL view and function of a published version; older forms are made anew at the start of a worker'`.execute(
    db,
  );
  const { rows } = await sql<{ isBuiltIn: boolean }>`
    SELECT to_regprocedure('pg_catalog.crc32(bytea)') IS NOT NULL AS "isBuiltIn"`.execute(db);
  await sql.raw(stateCrcFunction(`${OPEN_NAMES.sql}.state_crc`, rows[0]?.isBuiltIn === true)).execute(db);
  // length(bytea, 'UTF8') refuses U+0000, which a state's texts may have: what lies between is held to UTF-8 piece by piece.
  await sql`
    CREATE FUNCTION ${INNER_SQL}.utf8_length(bytes bytea) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
    DECLARE
      rest bytea := bytes;
      total int := 0;
      nul int;
    BEGIN
      LOOP
        nul := position('\\x00'::bytea IN rest);
        EXIT WHEN nul = 0;
        total := total + length(substring(rest FROM 1 FOR nul - 1), 'UTF8') + 1;
        rest := substring(rest FROM nul + 1);
      END LOOP;
      RETURN total + length(rest, 'UTF8');
    END $$`.execute(db);
}
