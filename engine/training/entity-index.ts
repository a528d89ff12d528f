import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { keyText } from '../define/key-text.ts';
import { type HashRange, keyHash } from './hash-range.ts';
import type { SpineEntity } from './spine-labels.ts';

/** A key in the index: its text, its map entry, its id. */
export const BYTES_PER_HELD_KEY = 200;

/** Finds the id of an entity of the spine by its key text, for the entities of one hash range. */
export class EntityIndex {
  readonly entity: SpineEntity;
  readonly size: number;
  readonly #hashes: Uint32Array;
  #ids = new Map<string, number>();
  #range: HashRange = { low: 0, high: 0 };

  private constructor(entity: SpineEntity, size: number) {
    this.entity = entity;
    this.size = size;
    this.#hashes = new Uint32Array(size);
  }

  /** Counts the entities; `load` must follow. */
  static async open(duckdb: DuckDb, entity: SpineEntity): Promise<EntityIndex> {
    const counted = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${entity.table}`);
    return new EntityIndex(entity, Number(counted[0]?.n));
  }

  /** Replaces what is held by the entities of `range`. */
  async load(duckdb: DuckDb, range: HashRange, signal: AbortSignal): Promise<void> {
    this.#ids = new Map();
    this.#range = range;
    for await (const { id, key } of entityKeys(duckdb, this.entity, signal)) {
      const text = keyText(key);
      const hash = keyHash(text);
      this.#hashes[id] = hash;
      if (hash >= range.low && hash < range.high) this.#ids.set(text, id);
    }
  }

  /** The id of a key text; undefined where the spine does not ask for it, or not in this range. */
  idOf(text: string): number | undefined {
    return this.#ids.get(text);
  }

  /** Whether the entity is in the range that is held; -1, where a label names none, never is. */
  holds(id: number): boolean {
    const hash = this.#hashes[id]!;
    return hash >= this.#range.low && hash < this.#range.high;
  }

  /** How many entities are held. */
  get heldCount(): number {
    return this.#ids.size;
  }

  /** Keeps only the entities of `range`; tells every id let go. */
  narrow(range: HashRange, onDrop: (id: number) => void): void {
    for (const [text, id] of this.#ids) {
      const hash = this.#hashes[id]!;
      if (hash >= range.low && hash < range.high) continue;
      this.#ids.delete(text);
      onDrop(id);
    }
    this.#range = range;
  }
}

/** The keys of an entity in a spine, as the engine holds them, with their ids. */
export async function* entityKeys(
  duckdb: DuckDb,
  entity: SpineEntity,
  signal: AbortSignal,
): AsyncGenerator<{ readonly id: number; readonly key: ScalarValue[] }> {
  const keys = entity.keys.map((key, k) => keyColumn(key.type, `k${k}`)).join(', ');
  const sql = `SELECT CAST(id AS DOUBLE), ${keys} FROM ${entity.table}`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    for (const [id, ...key] of chunk.getRows()) yield { id: Number(id), key: key as ScalarValue[] };
  }
}

/** The staged form, as the engine holds keys: only an int64 is a bigint. */
function keyColumn(type: ScalarType, column: string): string {
  return type.kind === 'int' || type.kind === 'timestamp' ? `CAST(${column} AS DOUBLE)` : column;
}
