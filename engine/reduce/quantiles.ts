import { type Cell, TOO_MANY_DISTINCT, VALUE_OUT_OF_RANGE } from '../values/cell.ts';
import { listText } from '../values/composite-text.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { BucketCounts, MOST_COUNTED_BYTES } from './bucket-counts.ts';
import { BucketTotals } from './bucket-totals.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import { bucketOf, middleOf, mostBuckets } from './quantile-buckets.ts';
import { rankOf } from './quantile-rank.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

/** One ref: the counts of the tile's buckets; null: nothing yet. */
export const quantilesShape: PartialShape = {
  emptyCells: [],
  emptyRefs: [null],
  eventBytes: MOST_COUNTED_BYTES,
};

/** Ahead of a tile's buckets stands how many there are, and 1; or that there are too many. */
const BEYOND = 1;

/** How many values lie in each bucket of doubles (`quantile-buckets`), which `quantiles` and `median` of one input and accuracy share. */
export function createQuantiles(input: ScalarType, bits: number, { ref, refStride }: RowPlace): PartialReducer {
  const most = mostBuckets(bits);
  const bucket = bucketOf(bits);
  const middle = middleOf(bits);
  const toDouble = doubleOf(input);
  const at = (rows: TileRows, row: number): BucketCounts | null =>
    rows.refs[row * refStride + ref] as BucketCounts | null;
  return {
    add(rows, row, _event, value) {
      const held = at(rows, row);
      const own = bucket(toDouble(value));
      if (held === null) rows.refs[row * refStride + ref] = new BucketCounts([own, 1]);
      else held.add(own, most);
    },
    merge(rows, row, from, fromRow) {
      const held = at(rows, row);
      const offered = at(from, fromRow);
      if (offered === null) return;
      if (held === null) rows.refs[row * refStride + ref] = offered.copy();
      else held.merge(offered, most);
    },
    encode(rows, row, writer) {
      const held = at(rows, row);
      if (held === null) {
        writer.unsigned(0);
        return;
      }
      const { pairs } = held;
      if (pairs === null) {
        writer.unsigned(BEYOND);
        return;
      }
      writer.unsigned(pairs.length / 2 + BEYOND);
      writer.signed(pairs[0]!);
      writer.unsigned(pairs[1]!);
      for (let next = 2; next < pairs.length; next += 2) {
        writer.unsigned(pairs[next]! - pairs[next - 2]! - 1);
        writer.unsigned(pairs[next + 1]!);
      }
    },
    decode(rows, row, reader) {
      const head = reader.unsigned();
      if (head === 0) return;
      const place = row * refStride + ref;
      if (head === BEYOND) {
        rows.refs[place] = new BucketCounts(null);
        return;
      }
      const length = head - BEYOND;
      if (length > most) reader.corrupt('there are more buckets than are kept');
      if (length > reader.remaining) reader.corrupt('there are fewer buckets than it says');
      const pairs: number[] = [];
      let own = reader.signedSafe();
      for (let read = 0; read < length; read++) {
        if (read > 0) own += reader.unsigned() + 1;
        if (Number.isNaN(middle(own))) reader.corrupt('there is no such bucket');
        const count = reader.unsigned();
        if (count === 0) reader.corrupt('a bucket has no value');
        pairs.push(own, count);
      }
      // A copy has no more room than it needs.
      rows.refs[place] = new BucketCounts(pairs.slice());
    },
    reader(feature) {
      const result = resultOf(feature, middle);
      return (rows, from, to) => {
        let only: readonly number[] | null = null;
        let totals: BucketTotals | null = null;
        for (let row = from; row < to; row++) {
          const held = at(rows, row);
          if (held === null) continue;
          const { pairs } = held;
          if (pairs === null) return TOO_MANY_DISTINCT;
          if (only === null) {
            only = pairs;
            continue;
          }
          if (totals === null) {
            totals = new BucketTotals();
            totals.add(only);
          }
          totals.add(pairs);
          if (totals.buckets > most) return TOO_MANY_DISTINCT;
        }
        return only === null ? null : result(totals?.pairs() ?? only);
      };
    },
  };
}

/** A number of any type as the double next to it. */
function doubleOf({ kind }: ScalarType): (value: NonNullable<ScalarValue>) => number {
  return kind === 'int' || kind === 'double' ? (value) => value as number : Number;
}

/** What a feature reads of a window's buckets, of which there is one at least. */
function resultOf(feature: FeatureLayout, middle: (bucket: number) => number): (pairs: readonly number[]) => Cell {
  const { name, aggregate, quantiles, result } = feature;
  const isMedian = aggregate === 'median';
  const asked = isMedian ? [0.5] : quantiles;
  if (asked === undefined) throw internalBug(`feature "${name}" reads a ${aggregate} from buckets`);
  const ranks = asked.map(rankOf);
  const text = result.kind === 'list' ? listText(result) : null;
  return (pairs) => {
    let total = 0;
    for (let at = 1; at < pairs.length; at += 2) total += pairs[at]!;
    // More than there are events, unless somebody made up their state.
    if (!Number.isSafeInteger(total)) return VALUE_OUT_OF_RANGE;
    const values = ranks.map((rank) => middle(bucketAt(pairs, rank(total))));
    return text === null ? values[0]! : text(values);
  };
}

/** The bucket of the value at a rank, 0-based. */
function bucketAt(pairs: readonly number[], rank: number): number {
  let at = 0;
  for (let seen = pairs[1]!; seen <= rank; seen += pairs[at + 1]!) at += 2;
  return pairs[at]!;
}
