import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { type Cell, TOO_MANY_DISTINCT, VALUE_OUT_OF_RANGE } from '../values/cell.ts';
import { type Comparison, comparisonOf } from '../values/compare.ts';
import { listText, mapText } from '../values/composite-text.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ByteReader } from './byte-reader.ts';
import { asHeld } from './held-value.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';
import { MOST_TALLIED_BYTES, type TallyRule, ValueTally } from './value-tally.ts';

type Value = NonNullable<ScalarValue>;

/** One ref: the tally; null: nothing yet. */
export const valueCountsShape: PartialShape = { emptyCells: [], emptyRefs: [null], eventBytes: MOST_TALLIED_BYTES };

/** Distinct values, in no order that matters, with how often each is there. */
interface Totals {
  readonly values: readonly Value[];
  readonly counts: readonly number[];
}

/**
 * The distinct values, up to a limit, and how often each is there (`counts`) or not (`values`). Beyond the limit a row keeps that alone, and
 * so does every row it is merged into: of more events there are no fewer values.
 */
export function createValueCounts(
  kind: 'values' | 'counts',
  { input, limit }: { readonly input: ScalarType; readonly limit: number },
  { ref, refStride }: RowPlace,
): PartialReducer {
  const counted = kind === 'counts';
  const width = counted ? 2 : 1;
  const held = asHeld(input);
  const codec = optionalValueCodec(input);
  const rule: TallyRule = { compare: comparisonOf(input), limit, counted };
  const tallyAt = (rows: TileRows, row: number): ValueTally | null =>
    rows.refs[row * refStride + ref] as ValueTally | null;
  return {
    add(rows, row, _event, value) {
      const at = row * refStride + ref;
      const tally = rows.refs[at] as ValueTally | null;
      if (tally !== null) tally.add(held(value), rule);
      else rows.refs[at] = new ValueTally(counted ? [held(value), 1] : [held(value)]);
    },
    merge(rows, row, from, fromRow) {
      const offered = tallyAt(from, fromRow);
      if (offered === null) return;
      const tally = tallyAt(rows, row);
      if (tally === null) rows.refs[row * refStride + ref] = offered.copy();
      else tally.merge(offered, rule);
    },
    encode(rows, row, writer) {
      const tally = tallyAt(rows, row);
      if (tally === null) {
        writer.byte(0);
        return;
      }
      const { items } = tally;
      if (items === null) {
        writer.byte(1);
        return;
      }
      writer.unsigned(items.length / width + 1);
      for (let at = 0; at < items.length; at += width) {
        codec.write(writer, items[at]!);
        if (counted) writer.unsigned(items[at + 1] as number);
      }
    },
    decode(rows, row, reader) {
      const head = reader.unsigned();
      if (head === 0) return;
      rows.refs[row * refStride + ref] = new ValueTally(head === 1 ? null : readItems(reader, head - 1));
    },
    reader(feature) {
      const read = resultOf(feature, rule.compare);
      if (read !== null) {
        return (rows, from, to) => {
          const totals = totalsOf(rows, from, to);
          return totals === null ? TOO_MANY_DISTINCT : read(totals);
        };
      }
      return (rows, from, to) => distinctOf(rows, from, to) ?? TOO_MANY_DISTINCT;
    },
  };

  function readItems(reader: ByteReader, count: number): Value[] {
    if (count > limit) reader.corrupt('there are more values than the limit');
    if (count > reader.remaining) reader.corrupt('the values end too early');
    const items: Value[] = [];
    for (let at = 0; at < count; at++) {
      const value = codec.read(reader) ?? reader.corrupt('a counted value is none');
      if (at > 0 && rule.compare(items[(at - 1) * width]!, value) >= 0) reader.corrupt('values are out of order');
      items.push(value);
      if (!counted) continue;
      const times = reader.unsigned();
      if (times === 0) reader.corrupt('a value is there no time');
      items.push(times);
    }
    return items;
  }

  /** How many distinct values rows have; null beyond the limit. */
  function distinctOf(rows: TileRows, from: number, to: number): number | null {
    if (to - from === 1) {
      const tally = tallyAt(rows, from);
      return tally === null ? 0 : tally.items === null ? null : tally.items.length / width;
    }
    const seen = new Set<Value>();
    for (let row = from; row < to; row++) {
      const tally = tallyAt(rows, row);
      if (tally === null) continue;
      const { items } = tally;
      if (items === null) return null;
      for (let at = 0; at < items.length; at += width) seen.add(items[at]!);
      if (seen.size > limit) return null;
    }
    return seen.size;
  }

  /** Each distinct value with its count, in the order of the tiles; null beyond the limit. */
  function totalsOf(rows: TileRows, from: number, to: number): Totals | null {
    const places = new Map<Value, number>();
    const counts: number[] = [];
    for (let row = from; row < to; row++) {
      const tally = tallyAt(rows, row);
      if (tally === null) continue;
      const { items } = tally;
      if (items === null) return null;
      for (let at = 0; at < items.length; at += 2) {
        const place = places.get(items[at]!);
        if (place !== undefined) counts[place]! += items[at + 1] as number;
        else {
          places.set(items[at]!, counts.length);
          counts.push(items[at + 1] as number);
        }
      }
      if (counts.length > limit) return null;
    }
    return { values: [...places.keys()], counts };
  }
}

/** What a feature makes of totals; null: it is how many distinct values there are. */
function resultOf(
  { name, aggregate, result, top }: FeatureLayout,
  compare: Comparison,
): ((totals: Totals) => Cell) | null {
  if (aggregate === 'distinct') return null;
  const finish = finishOf();
  return (totals) => {
    if (totals.counts.length === 0) return null;
    // Of a state that somebody made up.
    return totals.counts.some((count) => count > Number.MAX_SAFE_INTEGER) ? VALUE_OUT_OF_RANGE : finish(totals);
  };

  function finishOf(): (totals: Totals) => string {
    if (aggregate === 'topK' && result.kind === 'list' && top !== undefined) {
      const text = listText(result);
      return (totals) => text(mostFrequent(totals, top, compare));
    }
    if (aggregate === 'histogram' && result.kind === 'map') {
      const text = mapText(result);
      return ({ values, counts }) => {
        const order = Array.from(values.keys()).sort((a, b) => compare(values[a]!, values[b]!));
        return text(
          order.map((at) => values[at]!),
          order.map((at) => counts[at]!),
        );
      };
    }
    throw internalBug(`feature "${name}" reads a ${aggregate} from counts of values`);
  }
}

/** The values with the greatest counts, of equal counts those that are less. Values are compared only where they may be among them. */
function mostFrequent({ values, counts }: Totals, top: number, compare: Comparison): Value[] {
  const least = counts.length <= top ? 0 : Float64Array.from(counts).sort()[counts.length - top]!;
  return Array.from(counts.keys())
    .filter((at) => counts[at]! >= least)
    .sort((a, b) => counts[b]! - counts[a]! || compare(values[a]!, values[b]!))
    .slice(0, top)
    .map((at) => values[at]!);
}
