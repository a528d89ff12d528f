import type { PreparedEvent } from '../define/compiled-view.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { ByteReader } from '../reduce/byte-reader.ts';
import { ByteWriter } from '../reduce/byte-writer.ts';
import { createMoments, momentsShape } from '../reduce/moments.ts';
import type { TileRows } from '../reduce/tile-rows.ts';
import type { ScalarType } from '../values/field-type.ts';

/** What is known of a sample. */
export interface SampleMoments {
  readonly count: number;
  /** 0 of nothing. */
  readonly mean: number;
  /** Of the population that it is a sample of, so over `count − 1`; 0 of fewer than two. */
  readonly variance: number;
}

const DOUBLE: ScalarType = { kind: 'double' };
const { emptyCells, emptyRefs } = momentsShape(DOUBLE);
const MOMENTS = createMoments(DOUBLE, {
  cell: 0,
  ref: 0,
  cellStride: emptyCells.length,
  refStride: emptyRefs.length,
  hopUs: null,
});
const feature = (aggregate: 'sum' | 'avg' | 'variance'): FeatureLayout => ({
  name: aggregate,
  aggregate,
  slot: 0,
  windowUs: null,
  hopUs: null,
  result: DOUBLE,
  nullable: true,
});
const readSum = MOMENTS.reader(feature('sum'));
const readMean = MOMENTS.reader(feature('avg'));
const readVariance = MOMENTS.reader(feature('variance'));
const orInfinity = (cell: unknown): number => (typeof cell === 'number' ? cell : Number.POSITIVE_INFINITY);
/** Moments do not look at the event that a value is of. */
const NO_EVENT: PreparedEvent = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
const writer = new ByteWriter();

/**
 * Number, sum and sum of squares of doubles, exact, as the engine's `variance` has them: a function of the set of values, whatever their order and
 * however they were brought together, with one form in bytes.
 *
 * @example
 * const moments = new ExactMoments();
 * for (const value of [1, 2, 3]) moments.add(value);
 * moments.read(); // { count: 3, mean: 2, variance: 1 }
 */
export class ExactMoments {
  readonly #rows: TileRows = { cells: [...emptyCells], refs: [...emptyRefs], head: 0 };

  /** @param value finite */
  add(value: number): void {
    if (!Number.isFinite(value)) throw internalBug(`a moment is taken of ${value}, which is no finite number`);
    MOMENTS.add(this.#rows, 0, NO_EVENT, value + 0);
  }

  merge(other: ExactMoments): void {
    MOMENTS.merge(this.#rows, 0, other.#rows, 0);
  }

  /** The mean is the exact sum, rounded once, over the count; the variance is rounded once. What is beyond all doubles is an infinity. */
  read(): SampleMoments {
    const count = this.#rows.cells[0]!;
    return {
      count,
      mean: count === 0 ? 0 : orInfinity(readMean(this.#rows, 0, 1)),
      variance: count < 2 ? 0 : orInfinity(readVariance(this.#rows, 0, 1)),
    };
  }

  /** The exact sum, rounded once. */
  sum(): number {
    return this.#rows.cells[0] === 0 ? 0 : orInfinity(readSum(this.#rows, 0, 1));
  }

  /** Equal moments are equal bytes. */
  encode(): Uint8Array {
    writer.reset();
    MOMENTS.encode(this.#rows, 0, writer);
    return writer.take();
  }

  /** Throws `state-corrupt` of bytes that `encode` does not write. */
  static decode(bytes: Uint8Array): ExactMoments {
    const moments = new ExactMoments();
    const reader = new ByteReader(bytes, 0);
    MOMENTS.decode(moments.#rows, 0, reader, 0);
    if (reader.remaining > 0) reader.corrupt('bytes follow the moments');
    return moments;
  }
}
