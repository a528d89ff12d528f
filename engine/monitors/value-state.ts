import type { ByteReader } from '../reduce/byte-reader.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import { LeastHashes } from '../reduce/least-hashes.ts';
import { bucketOf, mostBuckets } from '../reduce/quantile-buckets.ts';
import { HASHES } from '../reduce/value-hash.ts';
import { LeastCounts } from './least-counts.ts';
import type { ValueSummary } from './monitor-bucket.ts';
import type { ValueEntry, ValueKind } from './monitored-field.ts';
import { NumberSums } from './number-sums.ts';

/** Of the quantile sketch: buckets of an octave, as a power of two. The middle of one is within 0.8 % of each value in it. */
export const SKETCH_BITS = 6;
const MOST_BINS = mostBuckets(SKETCH_BITS);
const MOST_TEXTS = 512;
const MOST_HASHES = 128;
/** Of the texts that are held, the most frequent are shown. */
const SHOWN_TEXTS = 50;

const bucket = bucketOf(SKETCH_BITS);

/** Bits of what follows in the bytes. */
const HAS_NULLS = 1;
const HAS_VALUES = 2;
const IS_DROPPED = 4;
const IS_TOO_WIDE = 8;
const IS_HIDDEN = 16;

/** How the values of one field are in one bucket and segment: a function of the set of them. */
export class ValueState {
  nulls = 0;
  #values = 0;
  #zeros = 0;
  readonly #kind: ValueKind;
  readonly #scale: number;
  readonly #sums: NumberSums | null;
  /** Null: too many for a sketch, or dropped. */
  #bins: Map<number, number> | null;
  #texts: LeastCounts | null;
  #hashes: LeastHashes | null;
  /** Sketch, top values and distinct ones were given up: they do not come back. */
  #isDropped = false;

  constructor(kind: ValueKind, scale: number) {
    this.#kind = kind;
    this.#scale = scale;
    this.#sums = kind === 'double' || kind === 'whole' ? new NumberSums(kind === 'double') : null;
    this.#bins = this.#sums === null ? null : new Map();
    this.#texts = kind === 'text' ? new LeastCounts(MOST_TEXTS) : null;
    this.#hashes = kind === 'plain' ? null : new LeastHashes([]);
  }

  /** About how much it holds: a count of numbers. */
  get size(): number {
    return 16 + 2 * (this.#bins?.size ?? 0) + 4 * (this.#texts?.size ?? 0) + (this.#hashes?.hashes.length ?? 0);
  }

  /** Takes so many records that have a value, of a kind that is not `plain`. */
  add({ number, double, text, hash }: ValueEntry, times: number): void {
    this.#values += times;
    this.#hashes?.add(hash, MOST_HASHES);
    if (this.#sums !== null) {
      this.#sums.add(number, times);
      if (double === 0) this.#zeros += times;
      if (this.#bins !== null) {
        const bin = bucket(double);
        this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + times);
        if (this.#bins.size > MOST_BINS) this.#bins = null;
      }
    } else if (text === null) this.#texts = null;
    else this.#texts?.add(text, times);
  }

  /** Takes so many records that have a value that is not looked at. */
  addPlain(times: number): void {
    this.#values += times;
  }

  /** Of one kind and scale. */
  merge(from: ValueState): void {
    this.nulls += from.nulls;
    this.#values += from.#values;
    this.#zeros += from.#zeros;
    if (from.#sums !== null) this.#sums?.merge(from.#sums);
    if (from.#isDropped) this.dropSketches();
    if (this.#isDropped) return;
    if (from.#hashes !== null) this.#hashes?.merge(from.#hashes, MOST_HASHES);
    this.#mergeTexts(from);
    this.#mergeBins(from);
  }

  #mergeTexts(from: ValueState): void {
    if (from.#texts !== null) this.#texts?.merge(from.#texts);
    else if (from.#values > 0) this.#texts = null;
  }

  #mergeBins(from: ValueState): void {
    const own = this.#bins;
    const bins = from.#bins;
    if (own !== null && bins !== null) for (const [bin, count] of bins) own.set(bin, (own.get(bin) ?? 0) + count);
    if (bins === null || (own !== null && own.size > MOST_BINS)) this.#bins = null;
  }

  /** Keeps counts and sums alone. */
  dropSketches(): void {
    if (this.#kind === 'plain') return;
    this.#isDropped = true;
    this.#bins = null;
    this.#texts = null;
    this.#hashes = null;
  }

  /** @param sketched whether sketch, top values and distinct ones are told */
  summary(sketched: boolean): { readonly count: number; readonly values: ValueSummary } {
    const numbers = this.#sums === null ? null : { ...this.#sums.totals(this.#scale), zeros: this.#zeros };
    return {
      count: this.#values + this.nulls,
      values: {
        nulls: this.nulls,
        numbers,
        bins: sketched && this.#bins !== null ? new Map([...this.#bins].sort(([a], [b]) => a - b)) : null,
        top: sketched ? this.#top() : null,
        distinct: sketched ? this.#distinct() : null,
      },
    };
  }

  #top(): ValueSummary['top'] {
    if (this.#texts === null) return null;
    const counts = new Map(this.#texts.ranked().slice(0, SHOWN_TEXTS));
    let others = this.#values;
    for (const count of counts.values()) others -= count;
    return { counts, others };
  }

  #distinct(): number | null {
    if (this.#hashes === null) return null;
    const { hashes } = this.#hashes;
    if (hashes.length < MOST_HASHES) return hashes.length;
    return Math.round(((MOST_HASHES - 1) * HASHES) / hashes[MOST_HASHES - 1]!);
  }

  encode(writer: ByteWriter): void {
    const hasValues = this.#values > 0;
    const isTooWide = this.#sums !== null && this.#bins === null && !this.#isDropped;
    const isHidden = this.#kind === 'text' && this.#texts === null && !this.#isDropped;
    writer.byte(
      (this.nulls > 0 ? HAS_NULLS : 0) |
        (hasValues ? HAS_VALUES : 0) |
        (this.#isDropped ? IS_DROPPED : 0) |
        (isTooWide ? IS_TOO_WIDE : 0) |
        (isHidden ? IS_HIDDEN : 0),
    );
    if (this.nulls > 0) writer.unsigned(this.nulls);
    if (!hasValues) return;
    writer.unsigned(this.#values);
    if (this.#sums !== null) {
      writer.unsigned(this.#zeros);
      this.#sums.encode(writer);
    }
    if (this.#bins !== null) encodeBins(this.#bins, writer);
    this.#texts?.encode(writer);
    if (this.#hashes !== null) encodeHashes(this.#hashes.hashes, writer);
  }

  /** Reads what `encode` wrote into a new one. */
  decode(reader: ByteReader): void {
    const flags = reader.byte();
    if ((flags & IS_DROPPED) !== 0) this.dropSketches();
    if ((flags & IS_TOO_WIDE) !== 0) this.#bins = null;
    if ((flags & IS_HIDDEN) !== 0) this.#texts = null;
    if ((flags & HAS_NULLS) !== 0) this.nulls = reader.unsigned();
    if ((flags & HAS_VALUES) === 0) return;
    this.#values = reader.unsigned();
    if (this.#sums !== null) {
      this.#zeros = reader.unsigned();
      this.#sums.decode(reader);
    }
    if (this.#bins !== null) decodeBins(this.#bins, reader);
    this.#texts?.decode(reader);
    if (this.#hashes !== null) this.#hashes = new LeastHashes(decodeHashes(reader));
  }
}

function encodeBins(bins: ReadonlyMap<number, number>, writer: ByteWriter): void {
  writer.unsigned(bins.size);
  let before = 0;
  for (const [bin, count] of [...bins].sort(([a], [b]) => a - b)) {
    writer.signed(bin - before);
    writer.unsigned(count);
    before = bin;
  }
}

function decodeBins(bins: Map<number, number>, reader: ByteReader): void {
  const size = reader.unsigned();
  let bin = 0;
  for (let read = 0; read < size; read++) {
    bin += reader.signedSafe();
    bins.set(bin, reader.unsigned());
  }
}

function encodeHashes(hashes: readonly number[], writer: ByteWriter): void {
  writer.unsigned(hashes.length);
  let before = 0;
  for (const hash of hashes) {
    writer.unsigned(hash - before);
    before = hash;
  }
}

function decodeHashes(reader: ByteReader): number[] {
  const hashes: number[] = [];
  const length = reader.unsigned();
  let hash = 0;
  for (let read = 0; read < length; read++) hashes.push((hash += reader.unsigned()));
  return hashes;
}
