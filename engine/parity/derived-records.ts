import type { DerivedCode } from '../define/derived-code.ts';
import { seenOfAll } from '../define/seen-values.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { keyColumns } from '../define/view-role.ts';
import { createServiceDerive, type DeriveService } from '../derived/derive-service.ts';
import { type ServedRead, ServedReadDecoder } from '../served/served-read.ts';
import { ServiceReadDecoder } from '../served/service-read.ts';
import { type OwnToLog, ownToLog } from '../served/service-to-log.ts';
import { invariant } from '../errors/millrace-error.ts';
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

interface Block {
  readonly name: string;
  readonly view: string;
  readonly layout: ViewLayout;
  /** Per join key, the number of its column among those of the service. */
  readonly places: readonly number[];
}

/** The layouts of a view's versions, by fingerprint. */
export type LayoutsOf = (view: string) => ReadonlyMap<string, ViewLayout>;

/** Derives once more what a service derived, by one version's code, of what the serving log has. */
export class DerivedRecords {
  readonly #own: OwnToLog;
  readonly #decoder: ServiceReadDecoder;
  readonly #blocks: readonly Block[];
  readonly #derive: DeriveService;
  readonly #isHushed: boolean;
  readonly #layoutsOf: LayoutsOf;
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
    this.#isHushed = derived.some(({ hushed }) => hushed === true);
  }

  /**
   * @param record of the service
   * @param reads of its views by the same request
   * @returns why it cannot be compared, or both
   * @throws MillraceError `served-read-mismatch`
   */
  recompute(record: ServedRead, reads: readonly ServedRead[]): RecomputedRecord | string {
    const { key, derived, request } = this.#decoder.read(record);
    if (!isWhole(key) || !isWhole(derived) || !isWhole(request)) return OTHER_DEFINITION;
    const blocks: (readonly Cell[])[] = [];
    for (const block of this.#blocks) {
      const cells = this.#cellsOf(block, key, record, reads);
      if (typeof cells === 'string') return cells;
      blocks.push(cells);
    }
    const given = Object.fromEntries(this.#own.request.map(({ name }, index) => [name, request[index]]));
    const expected = this.#derive(blocks, Object.freeze(given), record.asOfUs);
    return { own: this.#own, key, received: derived, expected, isHushed: this.#isHushed };
  }

  /** What a block was read as, in the order that the functions see; or why that cannot be said. */
  #cellsOf(
    { name, view, layout, places }: Block,
    key: readonly ScalarValue[],
    record: ServedRead,
    reads: readonly ServedRead[],
  ): readonly Cell[] | string {
    let found: ServedRead | null = null;
    for (const read of reads) {
      if (read.view !== view || (read.role ?? view) !== name || read.asOfUs !== record.asOfUs) continue;
      const then = this.#layoutsOf(view).get(read.fingerprint);
      if (then === undefined) return OTHER_DEFINITION;
      const entity = this.#decoderOf(then).entity(read);
      if (!entity.every((value, index) => Object.is(value, key[places[index]!]))) continue;
      if (found !== null && !isSame(found, read)) return REQUEST_AMBIGUOUS;
      found ??= read;
    }
    if (found === null) return VIEW_READ_NOT_LOGGED;
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
