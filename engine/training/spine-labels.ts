import type { DuckDBDataChunk } from 'duckdb';
import type { ScalarType } from '../values/field-type.ts';
import type { CompiledService } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { READ_TABLE } from './spine-columns.ts';

/** Row number, time, and the id of each entity (`id0`, …), by time. */
export const LABELS_TABLE = 'training_labels';

/** Half-open: fromUs <= t < untilUs, epoch µs. */
export interface TimeRange {
  readonly fromUs: number;
  readonly untilUs: number;
}

/** SQL: whether a label is of the range. */
export function inRange({ fromUs, untilUs }: TimeRange): string {
  return `(time_us >= ${fromUs} AND time_us < ${untilUs})`;
}

/** An entity of the service, as the spine's rows name it. */
export interface SpineEntity {
  readonly name: string;
  readonly keys: readonly { readonly name: string; readonly type: ScalarType }[];
  /** DuckDB table of its distinct keys in the spine: `id` from 0, then `k0`, `k1`, … */
  readonly table: string;
}

/** The entities of a service's views, each once. */
export function entitiesOf(service: CompiledService): SpineEntity[] {
  const entities = new Map<string, SpineEntity>();
  for (const { layout } of service.views) {
    if (entities.has(layout.entity)) continue;
    entities.set(layout.entity, { name: layout.entity, keys: layout.keys, table: `training_entity_${entities.size}` });
  }
  return [...entities.values()];
}

/** Gives every distinct key of entity number `e` in `READ_TABLE` an id, from 0, in `entity.table`. */
export async function numberEntities(
  duckdb: DuckDb,
  e: number,
  entity: SpineEntity,
  signal: AbortSignal,
): Promise<void> {
  const keys = entity.keys.map((_, k) => `e${e}k${k} AS k${k}`).join(', ');
  await duckdb.run(
    `CREATE TABLE ${entity.table} AS
     SELECT row_number() OVER () - 1 AS id, * FROM (SELECT DISTINCT ${keys} FROM ${READ_TABLE} ORDER BY ALL)`,
    [],
    signal,
  );
}

/** SQL: joins rows `l` of `READ_TABLE` with the ids of their entities. */
export function entityJoin(e: number, entity: SpineEntity): string {
  const on = entity.keys.map((_, k) => `e${e}.k${k} = l.e${e}k${k}`).join(' AND ');
  return `JOIN ${entity.table} e${e} ON ${on}`;
}

/** Sorts the labels by time into a table of small columns: row number, time, and an id per entity. Gives the number of rows. */
export async function sortLabels(
  duckdb: DuckDb,
  entities: readonly SpineEntity[],
  signal: AbortSignal,
): Promise<number> {
  for (const [e, entity] of entities.entries()) await numberEntities(duckdb, e, entity, signal);
  const ids = entities.map((_, e) => `e${e}.id AS id${e}`).join(', ');
  const joins = entities.map((entity, e) => entityJoin(e, entity));
  await duckdb.run(
    `CREATE TABLE ${LABELS_TABLE} AS
     SELECT l.row_number, l.time_us, ${ids} FROM ${READ_TABLE} l ${joins.join(' ')} ORDER BY l.time_us, l.row_number`,
    [],
    signal,
  );
  const counted = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${LABELS_TABLE}`);
  return Number(counted[0]?.n);
}

/** A cursor over the labels in time order. `timeUs` is Infinity when none is left. */
export class LabelCursor {
  readonly #chunks: AsyncGenerator<DuckDBDataChunk>;
  #columns: Float64Array[] = [];
  #at = 0;
  #rowCount = 0;
  /** The label at hand. */
  timeUs = Number.NEGATIVE_INFINITY;
  rowNumber = -1;
  /** How many labels were passed before the one at hand. */
  position = -1;

  private constructor(chunks: AsyncGenerator<DuckDBDataChunk>) {
    this.#chunks = chunks;
  }

  /** Stands on the first label (of the range). `close` must follow. */
  static async open(duckdb: DuckDb, entityCount: number, signal: AbortSignal, range?: TimeRange): Promise<LabelCursor> {
    const ids = Array.from({ length: entityCount }, (_, e) => `, CAST(id${e} AS DOUBLE)`).join('');
    const cursor = new LabelCursor(
      duckdb.chunks(
        `SELECT CAST(row_number AS DOUBLE), CAST(time_us AS DOUBLE)${ids} FROM ${LABELS_TABLE}
         ${range === undefined ? '' : `WHERE ${inRange(range)}`} ORDER BY time_us, row_number`,
        [],
        signal,
      ),
    );
    await cursor.fill();
    return cursor;
  }

  /** The id of entity number `entity` in the label at hand. */
  entityId(entity: number): number {
    return this.#columns[entity + 2]![this.#at]!;
  }

  /** Steps to the next label; false where `fill` must be awaited first. */
  advance(): boolean {
    const next = this.#at + 1;
    if (next >= this.#rowCount) return false;
    this.#stand(next);
    return true;
  }

  /** Fetches the next labels, and stands on the first of them or at the end. */
  async fill(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) {
      this.timeUs = Number.POSITIVE_INFINITY;
      this.position++;
      this.#rowCount = 0;
      return;
    }
    const chunk = next.value;
    this.#rowCount = chunk.rowCount;
    this.#columns = Array.from({ length: chunk.columnCount }, (_, column) => {
      const vector = chunk.getColumnVector(column);
      const numbers = new Float64Array(chunk.rowCount);
      for (let row = 0; row < numbers.length; row++) numbers[row] = Number(vector.getItem(row));
      return numbers;
    });
    this.#stand(0);
  }

  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }

  #stand(at: number): void {
    const timeUs = this.#columns[1]![at]!;
    if (timeUs < this.timeUs) throw internalBug('labels came out of time order');
    this.#at = at;
    this.timeUs = timeUs;
    this.rowNumber = this.#columns[0]![at]!;
    this.position++;
  }
}
