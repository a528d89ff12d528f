import { type Kysely, sql } from 'kysely';
import { ensureSchema } from './ensure-schema.ts';
import { INNER_SQL, READER } from './names.ts';

const LOWEST_BLOCK = -17;
const HIGHEST_BLOCK = 17;
const BLOCK_BITS = 64;

/** 2^e exactly, as decimal text. */
function powerText(e: number): string {
  if (e >= 0) return (2n ** BigInt(e)).toString();
  return `0.${(5n ** BigInt(-e)).toString().padStart(-e, '0')}`;
}

/** 2^e for e in [-1074, 1023] as shortest decimal texts, by exact doubling. */
function doublePowers(): string[] {
  const powers: string[] = [];
  for (let power = Number.MIN_VALUE; power !== Number.POSITIVE_INFINITY; power *= 2) powers.push(String(power));
  return powers;
}

/**
 * The schema of the SQL surface's inner parts and the functions that generated decoders stand on (engine/online/sql-decoder.ts).
 * They only turn bytes into numbers, so that everyone may run them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await ensureSchema(db, INNER_SQL);
  const blocks: string[] = [];
  for (let block = LOWEST_BLOCK; block <= HIGHEST_BLOCK; block++) blocks.push(powerText(block * BLOCK_BITS));
  const units: string[] = [];
  for (let e = 0; e < BLOCK_BITS; e++) units.push(powerText(e));
  // Exact for -1088 <= e < 1152: numeric multiplication rounds nothing here. The array's first index is 1: block -17.
  await sql`
    CREATE FUNCTION ${INNER_SQL}.power_of_two(e int) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS ${sql.raw(
      `$$ SELECT ('{${blocks.join(',')}}'::numeric[])[(e >> 6) + ${1 - LOWEST_BLOCK}] * ('{${units.join(',')}}'::numeric[])[(e & 63) + 1] $$`,
    )}`.execute(db);
  // As a double, for -1074 <= e <= 1023; pow() is not promised to be exact everywhere.
  await sql`
    CREATE FUNCTION ${INNER_SQL}.double_power_of_two(e int) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS ${sql.raw(
      `$$ SELECT ('{${doublePowers().join(',')}}'::double precision[])[e + 1075] $$`,
    )}`.execute(db);
  // u(n) of engine/state/README.md, of any length: eight groups of seven bits at a time.
  await sql`
    CREATE FUNCTION ${INNER_SQL}.unsigned_at(bytes bytea, start int) RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
    DECLARE
      total numeric := 0;
      weight numeric := 1;
      at int := start;
      byte int;
      chunk bigint;
      shift int;
    BEGIN
      LOOP
        chunk := 0;
        shift := 0;
        LOOP
          byte := get_byte(bytes, at);
          at := at + 1;
          chunk := chunk | ((byte & 127)::bigint << shift);
          shift := shift + 7;
          EXIT WHEN byte < 128 OR shift = 56;
        END LOOP;
        total := total + chunk * weight;
        EXIT WHEN byte < 128;
        weight := weight * 72057594037927936;
      END LOOP;
      RETURN total;
    END $$`.execute(db);
  await sql`
    DO $$
    BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER}') THEN
        GRANT USAGE ON SCHEMA ${INNER_SQL} TO ${READER};
      END IF;
    END $$`.execute(db);
}
