import type { ServiceBlock } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { createErrorsTable, errorsTable } from './feature-staging.ts';
import { keyTextTable } from './request-labels.ts';
import type { ReadShape } from './served-definitions.ts';
import { LABELS_TABLE, type SpinePlace } from './spine-labels.ts';

/** A spine row that stands for others like it in a message. */
export interface RequestExample {
  readonly row: number;
  readonly requestId: string;
}

/** Where the labels name an entity, and the column of a log's table that has its key as text. */
export interface EntityText {
  readonly place: SpinePlace;
  readonly column: string;
}

/** What of the log is matched with labels: its values in one table, what they are of in another. */
export interface StagedLog {
  readonly block: ServiceBlock;
  readonly values: { readonly table: string };
  /** number, request_id, entity_text, shape, found, errors and more. */
  readonly metaTable: string;
  /** What of the values can be missing, as messages name it, in the order of `notServed` of a shape. */
  readonly names: readonly string[];
  /** How many columns of values there are. */
  readonly width: number;
  readonly shapes: readonly ReadShape[];
}

/** Label rows and the reads they are of. */
export interface MatchedBlock {
  readonly block: ServiceBlock;
  readonly names: readonly string[];
  /** `row_number`, `f0`, … per feature, then seq and as_of: nulls where a row has no read. The errors stand in `errorsTable(table)`. */
  readonly table: string;
  /** Each row with a read, and that read's number. */
  readonly matches: string;
  readonly metaTable: string;
  readonly keyed: boolean;
  readonly rowsNotLogged: number;
  readonly notLogged: readonly RequestExample[];
  /** Rows that several different reads answer to, and whether those are of several entities. */
  readonly rowsAmbiguous: number;
  readonly ambiguous: readonly (RequestExample & { readonly entities: number })[];
  readonly shapes: readonly {
    readonly shape: ReadShape;
    readonly rows: number;
    readonly rowsNotFound: number;
    readonly first: RequestExample;
  }[];
}

const EXAMPLES = 3;

/**
 * Finds the read of each label row: by request id, and by the entity where the spine has its keys. Reads that say the same of the same entity
 * (an entity asked for twice in one request) count as one.
 */
export async function matchReads(
  duckdb: DuckDb,
  reads: StagedLog,
  /** What tells its entities apart; none: the spine lacks their columns. */
  texts: readonly EntityText[],
  isKeyed: boolean,
  signal: AbortSignal,
): Promise<MatchedBlock> {
  const { block, values, metaTable, names, width } = reads;
  const columns = Array.from({ length: width }, (_, index) => `f${index}`);
  const matches = duckdb.newName('served_matches');
  const table = duckdb.newName('training_read');
  const text = texts.map(
    ({ place }, k) => `JOIN ${keyTextTable(place.entity)} k${k} ON k${k}.id = l.id${place.number}`,
  );
  const sameEntity = texts.map(({ column }, k) => `AND m.${column} = k${k}.text`);
  // Only what was read more than once is compared value by value.
  await duckdb.run(
    `DELETE FROM ${metaTable} WHERE number IN (
       SELECT number FROM (
         SELECT m.number, min(m.number) OVER (PARTITION BY m.request_id, m.entity_text, m.shape, m.errors${columns.map((column) => `, v.${column}`).join('')}) AS first
         FROM ${metaTable} m JOIN ${values.table} v ON v.row_number = m.number
         SEMI JOIN (SELECT request_id, entity_text FROM ${metaTable} GROUP BY ALL HAVING count(*) > 1) d
           ON d.request_id = m.request_id AND d.entity_text = m.entity_text
       ) WHERE number > first
     )`,
    [],
    signal,
  );
  await duckdb.run(
    `CREATE TABLE ${matches} AS
     SELECT l.row_number, l.request_id, min(m.number) AS number, count(*) AS reads, count(DISTINCT m.entity_text) AS entities,
       min(m.shape) AS shape, min(m.found) AS found
     FROM ${LABELS_TABLE} l ${text.join(' ')} JOIN ${metaTable} m ON m.request_id = l.request_id ${sameEntity.join(' ')}
     GROUP BY l.row_number, l.request_id`,
    [],
    signal,
  );
  await duckdb.run(
    `CREATE TABLE ${table} AS
     SELECT l.row_number${columns.map((column) => `, v.${column}`).join('')}
     FROM ${LABELS_TABLE} l LEFT JOIN ${matches} m USING (row_number) LEFT JOIN ${values.table} v ON v.row_number = m.number`,
    [],
    signal,
  );
  await createErrorsTable(duckdb, table);
  await duckdb.run(
    `INSERT INTO ${errorsTable(table)} SELECT m.row_number, x.feature, x.code FROM ${matches} m JOIN ${errorsTable(values.table)} x ON x.row_number = m.number`,
    [],
    signal,
  );
  const missing = `FROM ${LABELS_TABLE} l ANTI JOIN ${matches} m USING (row_number)`;
  const several = `FROM ${matches} WHERE reads > 1`;
  const rowsNotLogged = await countOf(duckdb, missing);
  const rowsAmbiguous = await countOf(duckdb, several);
  const notLogged = await duckdb.query<ExampleRow>(
    `SELECT l.row_number, l.request_id ${missing} ORDER BY l.row_number LIMIT ${EXAMPLES}`,
  );
  const ambiguous = await duckdb.query<ExampleRow & { entities: bigint }>(
    `SELECT row_number, request_id, entities ${several} ORDER BY row_number LIMIT ${EXAMPLES}`,
  );
  const counted = await duckdb.query<ExampleRow & { shape: number; n: bigint; not_found: bigint }>(
    `SELECT shape, count(*) AS n, count(*) FILTER (found = 0) AS not_found, min(row_number) AS row_number, arg_min(request_id, row_number) AS request_id
     FROM ${matches} GROUP BY shape ORDER BY shape`,
  );
  const { shapes } = reads;
  return {
    block,
    names,
    table,
    matches,
    metaTable,
    keyed: isKeyed,
    rowsNotLogged,
    notLogged: notLogged.map(exampleOf),
    rowsAmbiguous,
    ambiguous: ambiguous.map((row) => ({ ...exampleOf(row), entities: Number(row.entities) })),
    shapes: counted.map((row) => ({
      shape: shapes[row.shape]!,
      rows: Number(row.n),
      rowsNotFound: Number(row.not_found),
      first: exampleOf(row),
    })),
  };
}

interface ExampleRow {
  readonly row_number: bigint;
  readonly request_id: string;
}

function exampleOf({ row_number, request_id }: ExampleRow): RequestExample {
  return { row: Number(row_number) + 1, requestId: request_id };
}

async function countOf(duckdb: DuckDb, from: string): Promise<number> {
  const [row] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n ${from}`);
  return Number(row?.n);
}
