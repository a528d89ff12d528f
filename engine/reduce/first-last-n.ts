import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { listText } from '../values/composite-text.ts';
import { EventList, type ListRule, MOST_LISTED_BYTES } from './event-list.ts';
import { givenId, type TieBreak } from './held-event.ts';
import { asHeld, wellFormed } from './held-value.ts';
import { listedCodec, listedOrder } from './listed-event.ts';
import type { PartialReducer, PartialShape, RangeReader } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

/** One ref: the list; null: nothing yet. */
export const firstLastNShape: PartialShape = { emptyCells: [], emptyRefs: [null], eventBytes: MOST_LISTED_BYTES };

/** What `firstN` and `lastN` hold: how many events, and whether each value once. */
export interface ListedInput {
  readonly input: ScalarType;
  readonly size: number;
  readonly distinct: boolean;
}

/**
 * The values of the first or last `size` events with a non-null input, in the order of design §5; distinct: of the first or last places of
 * values. A value that is not among a row's first or last is not among those of more rows either.
 */
export function createFirstLastN(
  kind: 'firstN' | 'lastN',
  { input, size, distinct }: ListedInput,
  tieBreak: TieBreak,
  { ref, refStride, cellStride, hopUs }: RowPlace,
): PartialReducer {
  const byId = tieBreak !== 'offset';
  const held = asHeld(input);
  const codec = listedCodec(input, tieBreak, { hopUs, size, distinct });
  const rule: ListRule = { kind, size, distinct, compare: listedOrder(input, tieBreak) };
  const listAt = (rows: TileRows, row: number): EventList | null =>
    rows.refs[row * refStride + ref] as EventList | null;
  return {
    add(rows, row, { eventTimeUs, partition, offset, id }, value) {
      const at = row * refStride + ref;
      const item = {
        timeUs: eventTimeUs + 0,
        id: byId ? wellFormed(givenId(id)) : null,
        partition: byId ? 0 : partition,
        offset: byId ? 0 : offset,
        value: held(value),
      };
      const list = rows.refs[at] as EventList | null;
      if (list === null) rows.refs[at] = new EventList([item]);
      else list.offer(item, rule);
    },
    merge(rows, row, from, fromRow) {
      const offered = listAt(from, fromRow);
      if (offered === null) return;
      const list = listAt(rows, row);
      if (list === null) {
        rows.refs[row * refStride + ref] = offered.copy();
        return;
      }
      const { items } = offered;
      // From the end that is kept: where one is not taken, none behind it is.
      if (kind === 'firstN') for (let at = 0; at < items.length && list.offer(items[at]!, rule); at++);
      else for (let at = items.length - 1; at >= 0 && list.offer(items[at]!, rule); at--);
    },
    encode(rows, row, writer) {
      codec.write(writer, listAt(rows, row)?.items ?? []);
    },
    decode(rows, row, reader, newestEventTimeUs) {
      const items = codec.read(reader, rows.cells[row * cellStride]!, newestEventTimeUs);
      if (items.length > 0) rows.refs[row * refStride + ref] = new EventList(items);
    },
    reader({ name, result }): RangeReader {
      if (result.kind !== 'list') throw internalBug(`feature "${name}" lists events, and is a ${result.kind}`);
      const text = listText(result);
      return (rows, from, to) => {
        const values = valuesOf(rows, from, to);
        return values.length === 0 ? null : text(values);
      };
    },
  };

  /** Of rows in the order of time, which no event is in two of. */
  function valuesOf(rows: TileRows, from: number, to: number): ScalarValue[] {
    const isFirst = kind === 'firstN';
    const seen = distinct ? new Set<ScalarValue>() : null;
    const values: ScalarValue[] = [];
    for (let step = 0; step < to - from && values.length < size; step++) {
      const items = listAt(rows, isFirst ? from + step : to - 1 - step)?.items ?? [];
      for (let at = 0; at < items.length && values.length < size; at++) {
        const { value } = items[isFirst ? at : items.length - 1 - at]!;
        if (seen !== null && seen.size === seen.add(value).size) continue;
        values.push(value);
      }
    }
    return isFirst ? values : values.reverse();
  }
}
