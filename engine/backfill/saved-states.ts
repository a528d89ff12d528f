import { createHash } from 'node:crypto';
import type pg from 'pg';
import { BinaryWriter } from '../postgres/binary-writer.ts';
import { copyIn } from '../postgres/copy-in.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { STATE } from '../postgres/schemas.ts';
import { ident } from '../postgres/sql.ts';
import { withoutTimeLimit } from '../postgres/time-limit.ts';
import type { EntityTimesSeen } from './entity-times.ts';

/** A state, or a part of one, on its way into the database and back. */
export interface SavedState {
  /** As `keyToText` writes it. */
  readonly key: string;
  readonly state: Uint8Array;
  /** What is known of the entity's times; null where it had been forgotten. */
  readonly times: EntityTimesSeen | null;
  /** The stretch of the log it was saved in. */
  readonly stretch: number;
}

/** `held`: states in memory, as they were last saved · `parts`: those that were spilled, or that an attempt before held. All of one key are to be merged. */
export type SavedTable = 'held' | 'parts';

const SAVED_TABLES: readonly SavedTable[] = ['held', 'parts'];
const COPY_CHUNK_BYTES = 1 << 18;
const COPY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const COLUMNS = 'key, state, newest, newest_last, newest_here, stretch';
const ROWS_PER_FETCH = 2_000;

/** The tables beside a version's own; no view's can have such a name, for theirs end in their number. */
function savedTable(stateTable: string, table: SavedTable): string {
  const digest = createHash('sha256').update(stateTable).digest('hex').slice(0, 24);
  return `${STATE.text}.${ident(`saved_${digest}_${table}`)}`;
}

/** Creates the empty tables that a version's states are saved to while it is built. */
export async function createSavedStates(client: Queryable, stateTable: string): Promise<void> {
  for (const table of SAVED_TABLES)
    await client.query(
      `CREATE TABLE ${savedTable(stateTable, table)} (key text COLLATE "C" NOT NULL, state bytea STORAGE EXTERNAL NOT NULL, newest float8, newest_last float8, newest_here float8, stretch int NOT NULL)`,
    );
}

/** Drops them, where they are. */
export async function dropSavedStates(client: Queryable, stateTable: string): Promise<void> {
  for (const table of SAVED_TABLES) await client.query(`DROP TABLE IF EXISTS ${savedTable(stateTable, table)}`);
}

/** Empties one; its space is free at once. */
export async function emptySavedStates(client: Queryable, stateTable: string, table: SavedTable): Promise<void> {
  await client.query(`TRUNCATE ${savedTable(stateTable, table)}`);
}

/** Puts what an attempt held among the parts, for the next one to hold its own. */
export async function keepHeldAsParts(client: pg.ClientBase, stateTable: string): Promise<void> {
  await withoutTimeLimit(client, () =>
    client.query(
      `INSERT INTO ${savedTable(stateTable, 'parts')} (${COLUMNS}) SELECT ${COLUMNS} FROM ${savedTable(stateTable, 'held')}`,
    ),
  );
  await emptySavedStates(client, stateTable, 'held');
}

/** Appends states by binary COPY; gives how many. */
export async function copySavedStates(
  client: pg.ClientBase,
  stateTable: string,
  table: SavedTable,
  rows: AsyncIterable<SavedState>,
): Promise<number> {
  const written = { rows: 0 };
  await withoutTimeLimit(client, async () => {
    await copyIn(client, `${savedTable(stateTable, table)} (${COLUMNS})`, copyChunks(rows, written));
  });
  return written.rows;
}

async function* copyChunks(rows: AsyncIterable<SavedState>, written: { rows: number }): AsyncGenerator<Buffer> {
  const writer = new BinaryWriter(COPY_CHUNK_BYTES * 2);
  writer.bytes(COPY_HEADER);
  for await (const { key, state, times, stretch } of rows) {
    writer.int16(6);
    writer.sizedText(key);
    writer.sizedBytes(state);
    writeDouble(writer, times?.newest);
    writeDouble(writer, times?.newestLast);
    writeDouble(writer, times?.newestHere);
    writer.int32(4);
    writer.int32(stretch);
    written.rows++;
    if (writer.length >= COPY_CHUNK_BYTES) yield writer.take();
  }
  writer.int16(-1);
  yield writer.take();
}

function writeDouble(writer: BinaryWriter, value: number | undefined): void {
  writer.int32(value === undefined ? -1 : 8);
  if (value !== undefined) writer.double(value);
}

interface SavedRow {
  readonly key: string;
  readonly state: Buffer;
  readonly newest: number | null;
  readonly newest_last: number | null;
  readonly newest_here: number | null;
  readonly stretch: number;
}

/** All states that were saved, parts and held. Inside a transaction; read by the page. */
export async function* savedStates(client: pg.ClientBase, stateTable: string): AsyncGenerator<SavedState> {
  for (const table of ['parts', 'held'] as const) {
    await client.query(
      `DECLARE saved_states NO SCROLL CURSOR FOR SELECT ${COLUMNS} FROM ${savedTable(stateTable, table)}`,
    );
    for (;;) {
      const { rows } = await client.query<SavedRow>(`FETCH ${ROWS_PER_FETCH} FROM saved_states`);
      for (const { key, state, newest, newest_last: newestLast, newest_here: newestHere, stretch } of rows) {
        const isKnown = newest !== null && newestLast !== null && newestHere !== null;
        yield { key, state, times: isKnown ? { newest, newestLast, newestHere } : null, stretch };
      }
      if (rows.length < ROWS_PER_FETCH) break;
    }
    await client.query('CLOSE saved_states');
  }
}
