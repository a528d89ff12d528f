import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type DuckDBDataChunk, DuckDBTypeId } from 'duckdb';

/** What may lie about in chunks that nobody uses any more. */
const MOST_BYTES = 4 << 20;
/** Of a value in a vector, about: 16 of a text's head, or 8 and its validity. */
const BYTES_PER_VALUE = 16;
/** A text no longer than this is in its entry. */
const INLINE_BYTES = 12;

type CollectGarbage = (options: { type: 'minor' }) => void;

let collect: CollectGarbage | null = null;
let bytes = 0;

/** What a vector of the pinned DuckDB client holds of texts and bytes: 4 words for each, its length first. */
interface EntryVector {
  readonly dataView?: DataView;
  readonly validity?: { readonly data: BigUint64Array | null };
}

/**
 * To be told of every chunk taken from DuckDB or made for it, once its user has moved on. Its memory is DuckDB's, and is given back when V8
 * collects the small object that stands for it, which V8 sees no reason to do soon: a scan held 0.4 GB of used chunks, a sort 1.5 GB. So
 * the young objects are collected after every few megabytes of chunks, in about 0.1 ms.
 *
 * @param longBytes what its long texts and bytes take; default: of the columns as they are
 */
export function chunkLeft(chunk: DuckDBDataChunk, longBytes = longBytesOf(chunk)): void {
  bytes += chunk.columnCount * chunk.rowCount * BYTES_PER_VALUE + longBytes;
  if (bytes < MOST_BYTES) return;
  bytes = 0;
  collect ??= exposed();
  collect({ type: 'minor' });
}

/** What does not fit into the entries of texts and bytes. */
function longBytesOf(chunk: DuckDBDataChunk): number {
  let sum = 0;
  for (let column = 0; column < chunk.columnCount; column++) {
    const vector = chunk.getColumnVector(column);
    const { typeId } = vector.type;
    if (typeId !== DuckDBTypeId.VARCHAR && typeId !== DuckDBTypeId.BLOB) continue;
    const { dataView, validity }: EntryVector = vector as object;
    if (dataView === undefined) continue;
    const words = new Uint32Array(dataView.buffer, dataView.byteOffset, chunk.rowCount * 4);
    const valid = validity?.data ?? null;
    const bits = valid === null ? null : new Uint32Array(valid.buffer, valid.byteOffset, valid.length * 2);
    for (let row = 0; row < chunk.rowCount; row++) {
      const length = words[row * 4]!;
      if (length > INLINE_BYTES && (bits === null || ((bits[row >>> 5]! >>> (row & 31)) & 1) === 1)) sum += length;
    }
  }
  return sum;
}

function exposed(): CollectGarbage {
  // Where the process was not started with it, V8 takes the flag for contexts made from here on.
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as CollectGarbage;
}
