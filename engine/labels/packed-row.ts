import { deserialize, serialize } from 'node:v8';
import type { Row } from '../define/compiled-view.ts';

/** A row as bytes, for a process of this release alone: JSON has no whole numbers of 64 bits. */
export function packRow(row: Row): Uint8Array {
  return serialize(row);
}

/** The row that was packed. */
export function unpackRow(bytes: Uint8Array): Row {
  return deserialize(bytes) as Row;
}
