import { BIGINT, INTEGER, VARCHAR } from 'duckdb';
import type { ServiceBlock } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { ServedRead } from '../served/served-read.ts';
import { ServiceReadDecoder } from '../served/service-read.ts';
import type { OwnToLog } from '../served/service-to-log.ts';
import { FeatureStaging } from './feature-staging.ts';
import type { EntityText, StagedLog } from './match-reads.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { requestKeyText } from './request-labels.ts';
import type { ReadShape } from './served-definitions.ts';
import type { SpinePlace } from './spine-labels.ts';

/** Where a service's records name the entity of a place: the numbers of its columns among those of the service. */
interface PlaceInRecord {
  readonly place: SpinePlace;
  readonly columns: readonly number[];
}

/** The logged records of what a service was asked with and derived, waiting to be matched: derived features first, then the fields of the request. */
export class StagedServiceReads implements StagedLog {
  readonly block: ServiceBlock;
  readonly values: FeatureStaging;
  /** number, request_id, entity_text, shape, found, errors, and per place `e0`, … the key of its entity. */
  readonly metaTable: string;
  readonly names: readonly string[];
  readonly width: number;
  readonly #places: readonly PlaceInRecord[];
  readonly #decoder: ServiceReadDecoder;
  readonly #meta: RowAppender;
  readonly #shapes = new Map<string, ReadShape>();
  #count = 0;

  private constructor(
    block: ServiceBlock,
    own: OwnToLog,
    places: readonly PlaceInRecord[],
    values: FeatureStaging,
    metaTable: string,
    meta: RowAppender,
  ) {
    this.block = block;
    this.values = values;
    this.metaTable = metaTable;
    this.names = [...own.features.map(({ name }) => name), ...own.request.map(({ name }) => `request.${name}`)];
    this.width = this.names.length;
    this.#places = places;
    this.#decoder = new ServiceReadDecoder(own);
    this.#meta = meta;
  }

  /** @param block the service, as if it were one of its blocks */
  static async open(
    duckdb: DuckDb,
    block: ServiceBlock,
    own: OwnToLog,
    places: readonly SpinePlace[],
  ): Promise<StagedServiceReads> {
    const types = [...own.features.map(({ result }) => result), ...own.request.map(({ type }) => type)];
    const values = await FeatureStaging.create(duckdb, duckdb.newName('served_values'), types);
    const metaTable = duckdb.newName('served_reads');
    const texts = places.map((_, index) => `, e${index} VARCHAR`).join('');
    await duckdb.run(
      `CREATE TABLE ${metaTable} (number BIGINT, request_id VARCHAR, entity_text VARCHAR, shape INTEGER, found INTEGER, errors VARCHAR${texts})`,
    );
    const columns = [BIGINT, VARCHAR, VARCHAR, INTEGER, INTEGER, VARCHAR, ...places.map(() => VARCHAR)];
    const meta = await RowAppender.open(duckdb, metaTable, columns);
    const inRecord = places.map((place): PlaceInRecord => {
      const columnsOf = place.columns.map((column) => own.keys.findIndex(({ name }) => name === column));
      return { place, columns: columnsOf };
    });
    return new StagedServiceReads(block, own, inRecord, values, metaTable, meta);
  }

  get shapes(): readonly ReadShape[] {
    return [...this.#shapes.values()];
  }

  /** Which of its texts tells the entity of a place. */
  textsOf(keyed: ReadonlySet<SpinePlace>): readonly EntityText[] {
    return this.#places.flatMap(({ place }, index) => (keyed.has(place) ? [{ place, column: `e${index}` }] : []));
  }

  /** Throws MillraceError `served-read-mismatch`. */
  add(read: ServedRead): void {
    const { key, derived, request } = this.#decoder.read(read);
    const number = this.#count++;
    const cells = [...derived, ...request];
    this.values.append(
      number,
      cells.map((cell) => cell ?? null),
    );
    this.#meta.append(
      BigInt(number),
      read.requestId,
      read.entityJson,
      this.#shapeOf(read, cells).number,
      1,
      read.errorsJson,
      ...this.#places.map(({ columns }) => textOf(columns.map((column) => key[column]))),
    );
  }

  close(): void {
    this.values.close();
    this.#meta.close();
  }

  #shapeOf({ fingerprint }: ServedRead, cells: readonly unknown[]): ReadShape {
    const lacking = cells.map((cell) => (cell === undefined ? '1' : '0')).join('');
    const id = `${fingerprint} ${lacking}`;
    let shape = this.#shapes.get(id);
    if (shape === undefined) {
      const notServed = cells.map((cell) => (cell === undefined ? ('other-definition' as const) : null));
      shape = { number: this.#shapes.size, version: 0, fingerprint, notServed };
      this.#shapes.set(id, shape);
    }
    return shape;
  }
}

/** Null where the record has no such column: then it is of no entity of the place. */
function textOf(key: readonly (ScalarValue | undefined)[]): string | null {
  const known = key.filter((value) => value !== undefined);
  return known.length === key.length ? requestKeyText(known) : null;
}
