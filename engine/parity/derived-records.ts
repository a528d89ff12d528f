import type { DerivedCode } from '../define/derived-code.ts';
import { seenOfAll } from '../define/seen-values.ts';
import { keyText } from '../define/key-text.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { keyColumns } from '../define/view-role.ts';
import { createServiceDerive, type DeriveService } from '../derived/derive-service.ts';
import { objectOf, type ServedRead, ServedReadDecoder } from '../served/served-read.ts';
import { ServiceReadDecoder } from '../served/service-read.ts';
import { type OwnToLog, ownToLog } from '../served/service-to-log.ts';
import { invariant, isMillraceError } from '../errors/millrace-error.ts';
import type { Cell } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { nameOfType } from '../values/type-name.ts';
import { OTHER_DEFINITION } from './served-sample.ts';

/** Why a record of a service is not compared: a read of one of its views is not in the log beside it. */
export const VIEW_READ_NOT_LOGGED = 'view-read-not-logged';
/** Several reads of one view answer to it, and say different things. */
export const REQUEST_AMBIGUOUS = 'request-ambiguous';

/** What was derived, and what the code gives of the very reads and request that were logged, per derived feature. */
export interface RecomputedRecord {
  readonly own: OwnToLog;
  readonly key: readonly ScalarValue[];
  readonly received: readonly Cell[];
  readonly expected: readonly Cell[];
  /** Whether they may tell of sensitive fields. */
  readonly isHushed: boolean;
}

/** What a code gives of a record. */
export interface DerivedRecord {
  /** Per column of the service. */
  readonly key: readonly ScalarValue[];
  readonly cells: readonly Cell[];
}

interface Block {
  readonly name: string;
  readonly view: string;
  readonly layout: ViewLayout;
  /** Per join key, the number of its column among those of the service. */
  readonly places: readonly number[];
}

/** By the text of the entity's key: those that say different things. */
type ReadsByEntity = ReadonlyMap<string, readonly ServedRead[]>;

/** The layouts of a view's versions, by fingerprint. */
export type LayoutsOf = (view: string) => ReadonlyMap<string, ViewLayout>;

/** Derives once more what a service derived, by one version's code, of what the serving log has. */
export class DerivedRecords {
  readonly #own: OwnToLog;
  readonly #decoder: ServiceReadDecoder;
  readonly #blocks: readonly Block[];
  readonly #derive: DeriveService;
  readonly #isHushed: boolean;
  readonly #optional: ReadonlySet<string>;
  readonly #layoutsOf: LayoutsOf;
  /** By all reads of a request. */
  readonly #placed = new WeakMap<readonly ServedRead[], Map<string, ReadsByEntity | string>>();
  readonly #decoders = new Map<ViewLayout, ServedReadDecoder>();

  constructor(service: string, { blocks, request, derived, fingerprint }: DerivedCode, layoutsOf: LayoutsOf) {
    const named = blocks.map(({ name, view, layout, columns }) => ({
      name,
      view: { name: view, layout },
      columns: keyColumns(layout.keys, columns),
    }));
    const own = ownToLog({ name: service, blocks: named, request, derived, derivedTag: fingerprint });
    invariant(own !== null, `service "${service}" derives nothing`);
    this.#own = own;
    this.#decoder = new ServiceReadDecoder(own);
    this.#blocks = named.map(({ name, view, columns }) => ({
      name,
      view: view.name,
      layout: view.layout,
      places: columns.map((column) => own.keys.findIndex((key) => key.name === column)),
    }));
    this.#derive = createServiceDerive(
      service,
      blocks.map(({ name, features }) => ({ name, values: seenOfAll({ features }) })),
      derived,
    );
    this.#layoutsOf = layoutsOf;
    this.#optional = new Set(request.flatMap(({ spec }) => (spec.optional ? [spec.name] : [])));
    this.#isHushed = derived.some(({ hushed }) => hushed === true);
  }

  /** What it derives, and by which columns it is read. */
  get own(): OwnToLog {
    return this.#own;
  }

  /** Whether what it derives may tell of sensitive fields. */
  get isHushed(): boolean {
    return this.#isHushed;
  }

  /**
   * What was derived, and what the code gives.
   *
   * @param record of the service
   * @param reads of its views by the same request
   * @returns why it cannot be compared, or both
   */
  recompute(record: ServedRead, reads: readonly ServedRead[]): RecomputedRecord | string {
    return readable(() => {
      const { key, derived, request } = this.#decoder.read(record);
      if (!isWhole(derived)) return OTHER_DEFINITION;
      const found = this.#derived(record, reads, key, request);
      if (typeof found === 'string') return found;
      return { own: this.#own, key: found.key, received: derived, expected: found.cells, isHushed: this.#isHushed };
    });
  }

  /**
   * What the code gives, whichever code derived then: a field that the record does not know and that may be left out was not given.
   *
   * @param record of the service
   * @param reads of its views by the same request
   * @returns why it cannot be said, or the cells, in the service's order
   */
  derive(record: ServedRead, reads: readonly ServedRead[]): DerivedRecord | string {
    return readable(() => {
      const { key, request } = this.#decoder.read(record);
      const asked = objectOf(record, 'request', record.requestJson ?? '{}');
      const given = this.#own.request.map(({ name }, index) =>
        request[index] === undefined && this.#optional.has(name) && !Object.hasOwn(asked, name) ? null : request[index],
      );
      return this.#derived(record, reads, key, given);
    });
  }

  #derived(
    record: ServedRead,
    reads: readonly ServedRead[],
    key: readonly (ScalarValue | undefined)[],
    request: readonly (ScalarValue | undefined)[],
  ): DerivedRecord | string {
    if (!isWhole(key) || !isWhole(request)) return OTHER_DEFINITION;
    const blocks: (readonly Cell[])[] = [];
    for (const block of this.#blocks) {
      const cells = this.#cellsOf(block, key, record, reads);
      if (typeof cells === 'string') return cells;
      blocks.push(cells);
    }
    const given = Object.fromEntries(this.#own.request.map(({ name }, index) => [name, request[index]]));
    return { key, cells: this.#derive(blocks, Object.freeze(given), record.asOfUs) };
  }

  /** What a block was read as, in the order that the functions see; or why that cannot be said. */
  #cellsOf(
    { name, view, layout, places }: Block,
    key: readonly ScalarValue[],
    record: ServedRead,
    reads: readonly ServedRead[],
  ): readonly Cell[] | string {
    const byEntity = this.#byEntity(name, view, record.asOfUs, reads);
    if (typeof byEntity === 'string') return byEntity;
    const [found, other] = byEntity.get(keyText(places.map((place) => key[place]!))) ?? [];
    if (found === undefined) return VIEW_READ_NOT_LOGGED;
    if (other !== undefined) return REQUEST_AMBIGUOUS;
    const then = this.#layoutsOf(view).get(found.fingerprint)!;
    const served = new Map(
      this.#decoderOf(then)
        .values(found)
        .map(({ index, value }) => [index, value]),
    );
    const cells: Cell[] = [];
    for (const { name: feature, result } of layout.features) {
      const at = then.features.findIndex((known) => known.name === feature);
      const cell = served.get(at);
      if (cell === undefined || nameOfType(then.features[at]!.result) !== nameOfType(result)) return OTHER_DEFINITION;
      cells.push(cell);
    }
    return cells;
  }

  /** The reads of a request for a block, by entity: found out once, for a request may be of a thousand. */
  #byEntity(block: string, view: string, asOfUs: number, reads: readonly ServedRead[]): ReadsByEntity | string {
    let known = this.#placed.get(reads);
    if (known === undefined) this.#placed.set(reads, (known = new Map()));
    const id = JSON.stringify([block, asOfUs]);
    let found = known.get(id);
    if (found === undefined) known.set(id, (found = this.#place(block, view, asOfUs, reads)));
    return found;
  }

  #place(block: string, view: string, asOfUs: number, reads: readonly ServedRead[]): ReadsByEntity | string {
    const placed = new Map<string, ServedRead[]>();
    for (const read of reads) {
      if (read.view !== view || (read.role ?? view) !== block || read.asOfUs !== asOfUs) continue;
      const then = this.#layoutsOf(view).get(read.fingerprint);
      if (then === undefined) return OTHER_DEFINITION;
      const entity = keyText(this.#decoderOf(then).entity(read));
      const own = placed.get(entity);
      if (own === undefined) placed.set(entity, [read]);
      else if (!isSame(own[0]!, read)) own.push(read);
    }
    return placed;
  }

  #decoderOf(layout: ViewLayout): ServedReadDecoder {
    let decoder = this.#decoders.get(layout);
    if (decoder === undefined) this.#decoders.set(layout, (decoder = new ServedReadDecoder(layout)));
    return decoder;
  }
}

function isSame(one: ServedRead, other: ServedRead): boolean {
  return one.valuesJson === other.valuesJson && one.errorsJson === other.errorsJson;
}

function isWhole<T>(values: readonly (T | undefined)[]): values is readonly T[] {
  return values.every((value) => value !== undefined);
}

/** A record that is not what it says itself is none to compare. */
function readable<Result>(read: () => Result | string): Result | string {
  try {
    return read();
  } catch (error) {
    if (isMillraceError(error) && error.code === 'served-read-mismatch') return 'unreadable';
    throw error;
  }
}
