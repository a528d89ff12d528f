import { DuckDBBlobVector, type DuckDBDataChunk } from 'duckdb';
import { invariant } from '../errors/millrace-error.ts';

/** A string's entry: 4 words, the length first; up to 12 bytes stand in the entry, longer ones behind the pointer in its last two words. */
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;
/** Neighbours this close are copied as one: less than a page of memory lies between, so all of it is there. */
const MAX_GAP_BYTES = 64;

interface VectorParts {
  readonly dataView?: DataView;
  readonly validity?: { readonly data: BigUint64Array | null };
}

/**
 * Reads a BLOB column of a chunk into `out`: bytes, or null for NULL. Long values lie one after another where a Parquet page or DuckDB put
 * them, so a run of them is fetched with one call and cut up: about ten times as fast as one by one. The bytes are copies.
 */
export function readBlobs(chunk: DuckDBDataChunk, column: number, out: (Buffer | null)[]): void {
  const vector = chunk.getColumnVector(column);
  const { dataView: data, validity }: VectorParts = vector as object;
  invariant(data !== undefined, 'a BLOB vector without its data');
  const count = chunk.rowCount;
  const words = new Uint32Array(data.buffer, data.byteOffset, count * 4);
  const valid = validity?.data ?? null;
  const validBits = valid === null ? null : new Uint32Array(valid.buffer, valid.byteOffset, valid.length * 2);
  let inlined: Buffer | null = null;
  let runStart = -1;
  let runFrom = 0;
  let runEnd = 0;
  const endRun = (until: number): void => {
    if (runStart < 0) return;
    const bytes = fetch(runFrom, runEnd - runFrom);
    for (let row = runStart; row < until; row++) {
      const length = words[row * 4]!;
      if (length <= INLINE_BYTES || isNull(validBits, row)) continue;
      const at = pointer(words, row) - runFrom;
      out[row] = bytes.subarray(at, at + length);
    }
    runStart = -1;
  };
  for (let row = 0; row < count; row++) {
    if (isNull(validBits, row)) {
      out[row] = null;
      continue;
    }
    const length = words[row * 4]!;
    if (length <= INLINE_BYTES) {
      inlined ??= Buffer.from(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, count * ENTRY_BYTES));
      out[row] = inlined.subarray(row * ENTRY_BYTES + 4, row * ENTRY_BYTES + 4 + length);
      continue;
    }
    const from = pointer(words, row);
    if (runStart < 0 || from < runEnd || from - runEnd > MAX_GAP_BYTES) {
      endRun(row);
      runStart = row;
      runFrom = from;
    }
    runEnd = from + length;
  }
  endRun(count);
}

function isNull(validBits: Uint32Array | null, row: number): boolean {
  return validBits !== null && ((validBits[row >>> 5]! >>> (row & 31)) & 1) === 0;
}

function pointer(words: Uint32Array, row: number): number {
  return words[row * 4 + 3]! * 4294967296 + words[row * 4 + 2]!;
}

const entry = new DataView(new ArrayBuffer(ENTRY_BYTES));
/** A BLOB vector of one made-up entry: the client's one way to follow a pointer. */
const lens = Object.create(DuckDBBlobVector.prototype, {
  dataView: { value: entry },
  validity: { value: { itemValid: () => true } },
}) as DuckDBBlobVector;

/** Bytes at an address, copied. */
function fetch(address: number, length: number): Buffer {
  entry.setUint32(0, length, true);
  entry.setUint32(8, address % 4294967296, true);
  entry.setUint32(12, Math.floor(address / 4294967296), true);
  const bytes = lens.getItemBytes(0);
  invariant(bytes?.length === length, 'DuckDB gave other bytes than asked for');
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, length);
}
