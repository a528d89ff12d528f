import type { DuckDBDataChunk } from 'duckdb';
import type { ScalarType } from '../values/field-type.ts';
import type { CompiledService, ServiceBlock } from '../define/compiled-view.ts';
import { blockText } from '../define/service-blocks.ts';
import { internalBug, invariant } from '../errors/millrace-error.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { READ_TABLE } from './spine-columns.ts';

/** Row number, time, and the id of the entity in each place (`id0`, …), by time. */
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

/** An entity of the service. */
export interface SpineEntity {
  readonly name: string;
  readonly keys: readonly { readonly name: string; readonly type: ScalarType }[];
  /** DuckDB table of its distinct keys in the spine: `id` from 0, then `k0`, `k1`, … */
  readonly table: string;
}

/** Where the spine's rows name an entity: the columns its join keys go by. One entity may stand in several places, a role in each. */
export interface SpinePlace {
  /** From 0 among the places of the service: that of its id in the labels. */
  readonly number: number;
  readonly entity: SpineEntity;
  /** Per join key. */
  readonly columns: readonly string[];
}

/** The places of a service's blocks; blocks of one entity by the same columns share one. */
export function placesOf(service: CompiledService): SpinePlace[] {
  const entities = new Map<string, SpineEntity>();
  const places = new Map<string, SpinePlace>();
  for (const block of service.blocks) {
    const { entity: name, keys } = block.view.layout;
    const entity = entities.get(name) ?? { name, keys, table: `training_entity_${entities.size}` };
    entities.set(name, entity);
    const id = placeId(block);
    if (!places.has(id)) places.set(id, { number: places.size, entity, columns: block.columns });
  }
  return [...places.values()];
}

/** The place of a block among those of its service. */
export function placeOf(places: readonly SpinePlace[], block: ServiceBlock): SpinePlace {
  const id = placeId(block);
  const place = places.find(({ entity, columns }) => idOf(entity.name, columns) === id);
  invariant(place !== undefined, `no place for ${blockText(block)}`);
  return place;
}

function placeId({ view, columns }: ServiceBlock): string {
  return idOf(view.layout.entity, columns);
}

function idOf(entity: string, columns: readonly string[]): string {
  return JSON.stringify([entity, ...columns]);
}

/** The entities of places, each once. */
export function entitiesOf(places: readonly SpinePlace[]): SpineEntity[] {
  return [...new Set(places.map(({ entity }) => entity))];
}

/** Gives every distinct key that the places have of an entity in `READ_TABLE` an id, from 0, in `entity.table`. */
export async function numberEntities(
  duckdb: DuckDb,
  entity: SpineEntity,
  places: readonly SpinePlace[],
  signal: AbortSignal,
): Promise<void> {
  const keysIn = ({ number }: SpinePlace): string => {
    const keys = entity.keys.map((_, k) => `p${number}k${k} AS k${k}`).join(', ');
    return `SELECT DISTINCT ${keys} FROM ${READ_TABLE}`;
  };
  const own = places.filter((place) => place.entity === entity);
  await duckdb.run(
    `CREATE TABLE ${entity.table} AS
     SELECT row_number() OVER () - 1 AS id, * FROM (SELECT * FROM (${own.map(keysIn).join(' UNION ')}) ORDER BY ALL)`,
    [],
    signal,
  );
}

/** SQL: joins rows `l` of `READ_TABLE` with the id of the entity in a place. */
export function entityJoin({ number, entity }: SpinePlace): string {
  const on = entity.keys.map((_, k) => `p${number}.k${k} = l.p${number}k${k}`).join(' AND ');
  return `JOIN ${entity.table} p${number} ON ${on}`;
}

/** Sorts the labels by time into a table of small columns: row number, time, and an id per place. Gives the number of rows. */
export async function sortLabels(duckdb: DuckDb, places: readonly SpinePlace[], signal: AbortSignal): Promise<number> {
  for (const entity of entitiesOf(places)) await numberEntities(duckdb, entity, places, signal);
  const ids = places.map(({ number }) => `p${number}.id AS id${number}`).join(', ');
  const joins = places.map(entityJoin);
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
  static async open(duckdb: DuckDb, placeCount: number, signal: AbortSignal, range?: TimeRange): Promise<LabelCursor> {
    const ids = Array.from({ length: placeCount }, (_, p) => `, CAST(id${p} AS DOUBLE)`).join('');
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

  /** The id of the entity that the label at hand has in a place. */
  entityId(place: number): number {
    return this.#columns[place + 2]![this.#at]!;
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
