import { openBytes } from '../history/file-bytes.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The elements of a file that is one JSON array, many at a time, as the bytes between its commas: what they are is for a parser to say. The file
 * is never held as a whole. Throws `spine-unreadable` where the array is not closed, or is not all there is.
 */
export async function* jsonElements(file: SpineFile, signal: AbortSignal): AsyncGenerator<Buffer[]> {
  let pieces: Buffer[] = [];
  let depth = 0;
  let isText = false;
  let isEscaped = false;
  let hasBegun = false;
  let hasEnded = false;
  let count = 0;
  for await (const bytes of openBytes(file.path, signal) as AsyncIterable<Buffer>) {
    const elements: Buffer[] = [];
    let from = 0;
    const take = (at: number, isLast: boolean): void => {
      const element = Buffer.concat([...pieces, bytes.subarray(from, at)]);
      pieces = [];
      from = at + 1;
      // An empty array has no element; a comma has one on both sides.
      if (isLast && count === 0 && element.every((byte) => SPACE.has(byte))) return;
      elements.push(element);
      count++;
    };
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (isText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isText = false;
      } else if (hasEnded) {
        if (!SPACE.has(byte)) throw unreadableSpine(file, 'something follows the array, which is to be all there is');
      } else if (byte === QUOTE) isText = true;
      else if (OPEN.has(byte)) {
        depth++;
        if (hasBegun) continue;
        hasBegun = true;
        from = at + 1;
      } else if (CLOSE.has(byte)) {
        depth--;
        if (depth > 0) continue;
        take(at, true);
        hasEnded = true;
      } else if (byte === COMMA && depth === 1) take(at, false);
    }
    if (hasBegun && !hasEnded) pieces.push(bytes.subarray(from));
    if (elements.length > 0) yield elements;
  }
  if (!hasEnded) throw unreadableSpine(file, 'the array it begins with is never closed');
}
