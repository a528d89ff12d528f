import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { ByteReader, stateCorrupt } from '../reduce/byte-reader.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import type { TileRows } from '../reduce/tile-rows.ts';
import type { TileState } from './tile-state.ts';
import { blankRows, emptyRows, endRow, oldestTile, type TileGroup, tileOf } from './tile-group.ts';

/** The version of the encoding; the first byte of every state. */
export const CODEC_VERSION = 1;

/** Version and layout tag. The empty state has nothing else. */
export const HEADER_BYTES = 5;

/** Writes a state as README.md says, in place of what the writer had. */
export function encodeState(groups: readonly TileGroup[], tag: number, state: TileState, writer: ByteWriter): void {
  writer.reset();
  writer.byte(CODEC_VERSION);
  writer.uint32(tag);
  if (state.newestEventTimeUs === Number.NEGATIVE_INFINITY) return;
  writer.signed(state.newestEventTimeUs);
  for (let index = 0; index < groups.length; index++) encodeGroup(groups[index]!, state.groups[index]!, writer);
}

function encodeGroup(group: TileGroup, rows: TileRows, writer: ByteWriter): void {
  const { cellStride, partials } = group;
  const end = endRow(group, rows);
  if (group.hopUs !== null) writer.unsigned(end - rows.head - 1);
  let before = 0;
  for (let row = rows.head; row < end; row++) {
    const tile = rows.cells[row * cellStride]!;
    if (row > rows.head) writer.unsigned(tile - before - 1);
    else if (group.hopUs !== null) writer.signed(tile);
    before = tile;
    for (let at = 0; at < partials.length; at++) partials[at]!.encode(rows, row, writer);
  }
}

/** Reads what `encodeState` wrote, and nothing else. Throws `state-layout-mismatch`, `state-corrupt`. */
export function decodeState(
  groups: readonly TileGroup[],
  layout: ViewLayout,
  tag: number,
  bytes: Uint8Array,
): { newestEventTimeUs: number; groups: TileRows[] } {
  if (bytes.length < HEADER_BYTES) throw stateCorrupt('it ends too early', bytes.length);
  if (bytes[0] !== CODEC_VERSION) throw stateCorrupt(`codec version ${bytes[0]}, expected ${CODEC_VERSION}`, 0);
  const found = headerTag(bytes);
  if (found !== tag) {
    throw new MillraceError(
      'state-layout-mismatch',
      `a state of view "${layout.view}" has layout tag ${hex(found)}, expected ${hex(tag)}: it belongs to another version of the view`,
      {
        remedy: 'Reload the catalog and read again with its layout.',
        retryable: true,
        httpStatus: 503,
        details: { found, expected: tag },
      },
    );
  }
  if (bytes.length === HEADER_BYTES) {
    return { newestEventTimeUs: Number.NEGATIVE_INFINITY, groups: groups.map((group) => emptyRows(group)) };
  }
  const reader = new ByteReader(bytes, HEADER_BYTES);
  const newestEventTimeUs = reader.signedSafe();
  const decoded: TileRows[] = [];
  for (const group of groups) decoded.push(decodeGroup(group, newestEventTimeUs, reader));
  if (reader.remaining > 0) reader.corrupt(`${reader.remaining} bytes too many`);
  return { newestEventTimeUs, groups: decoded };
}

/** The layout tag that a state's header has. */
export function headerTag(bytes: Uint8Array): number {
  return ((bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!) >>> 0;
}

function decodeGroup(group: TileGroup, newestEventTimeUs: number, reader: ByteReader): TileRows {
  const { cellStride, partials } = group;
  const count = group.hopUs === null ? 1 : reader.unsigned() + 1;
  let tile = group.hopUs === null ? 0 : reader.signedSafe();
  // A tile takes a byte at least: a count that the bytes cannot hold must not make us allocate for it.
  if (count > reader.remaining + 1) reader.corrupt('there are fewer tiles than it says');
  const rows = blankRows(group, count);
  if (tile < oldestTile(group, newestEventTimeUs)) reader.corrupt('a tile should have expired');
  for (let row = 0; row < count; row++) {
    if (row > 0) tile += 1 + reader.unsigned();
    if (!Number.isSafeInteger(tile)) reader.corrupt('a tile is out of range');
    rows.cells[row * cellStride] = tile;
    for (let at = 0; at < partials.length; at++) partials[at]!.decode(rows, row, reader, newestEventTimeUs);
  }
  if (group.hopUs !== null && tile !== tileOf(newestEventTimeUs, group.hopUs)) {
    reader.corrupt('the last tile is not that of the newest event');
  }
  return rows;
}

function hex(tag: number): string {
  return tag.toString(16).padStart(8, '0');
}
