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

/** The entries of a BLOB column, and which are not NULL. */
function entriesOf(
  chunk: DuckDBDataChunk,
  column: number,
): { readonly data: DataView; readonly words: Uint32Array; readonly validBits: Uint32Array | null } {
  const { dataView: data, validity }: VectorParts = chunk.getColumnVector(column) as object;
  invariant(data !== undefined, 'a BLOB vector without its data');
  const valid = validity?.data ?? null;
  const validBits = valid === null ? null : new Uint32Array(valid.buffer, valid.byteOffset, valid.length * 2);
  return { data, words: new Uint32Array(data.buffer, data.byteOffset, chunk.rowCount * 4), validBits };
}

/** Adds to `sums` what each value of a BLOB column takes, bytes, without a copy of any. */
export function addBlobBytes(chunk: DuckDBDataChunk, column: number, sums: number[]): void {
  const { words, validBits } = entriesOf(chunk, column);
  for (let row = 0; row < chunk.rowCount; row++) if (!isNull(validBits, row)) sums[row]! += words[row * 4]!;
}

/**
 * Reads the rows `from` to `until` of a chunk's BLOB column into the same places of `out`: bytes, or null for NULL. Long values lie one after another
 * where a Parquet page or DuckDB put them, so a run of them is fetched with one call and cut up: about ten times as fast as one by one. The bytes are copies.
 */
export function readBlobs(
  chunk: DuckDBDataChunk,
  column: number,
  from: number,
  until: number,
  out: (Buffer | null)[],
): void {
  const { data, words, validBits } = entriesOf(chunk, column);
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
  for (let row = from; row < until; row++) {
    if (isNull(validBits, row)) {
      out[row] = null;
      continue;
    }
    const length = words[row * 4]!;
    if (length <= INLINE_BYTES) {
      inlined ??= Buffer.from(
        new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset + from * ENTRY_BYTES, (until - from) * ENTRY_BYTES),
      );
      const at = (row - from) * ENTRY_BYTES + 4;
      out[row] = inlined.subarray(at, at + length);
      continue;
    }
    const address = pointer(words, row);
    if (runStart < 0 || address < runEnd || address - runEnd > MAX_GAP_BYTES) {
      endRun(row);
      runStart = row;
      runFrom = address;
    }
    runEnd = address + length;
  }
  endRun(until);
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
