import { crc32 } from 'node:zlib';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { EntityState, StateReader } from './view-reducer.ts';

/** The checksum that stands beside a stored state: CRC-32 of its bytes, as the signed 32 bits Postgres keeps. */
export function stateCrc(state: Uint8Array): number {
  return crc32(state) | 0;
}

/** Whether stored bytes are not those whose checksum stands beside them. Rows from before there were checksums have none. */
export function hasWrongCrc(state: Uint8Array, crc: number | null): boolean {
  return crc !== null && crc !== stateCrc(state);
}

/** Why the bytes of a stored row are no state to read from. */
export class CorruptState {
  readonly reason: string;
  /** The checksum is right or none, and all that is wrong is that tiles no window can see are still there. */
  readonly isExpiredKept: boolean;

  constructor(reason: string, isExpiredKept = false) {
    this.reason = reason;
    this.isExpiredKept = isExpiredKept;
  }
}

/** Decodes stored bytes, whatever their checksum says. Never throws for what the bytes are. */
export function decodeStored(reader: StateReader, bytes: Uint8Array): EntityState | CorruptState {
  try {
    return reader.decode(bytes);
  } catch (error) {
    // Rows and layout are of one version, so a foreign layout tag is damage too.
    if (!isMillraceError(error) || (error.code !== 'state-corrupt' && error.code !== 'state-layout-mismatch'))
      throw error;
    return new CorruptState(error.message, error.message.includes('should have expired'));
  }
}

/**
 * The state readers get of a stored row, or why they get none: every door that reads asks here, SQL by a decoder that is held to it.
 *
 * @param crc What stands beside it; null: not known.
 * @example
 * const state = openStored(reader, row.state, row.crc);
 * if (state instanceof CorruptState) return everyFeature(STATE_CORRUPT);
 */
export function openStored(reader: StateReader, bytes: Uint8Array, crc: number | null): EntityState | CorruptState {
  if (hasWrongCrc(bytes, crc))
    return new CorruptState('the bytes are not those that were written: their checksum differs');
  return decodeStored(reader, bytes);
}
