import { openBytes } from './file-bytes.ts';

const NEWLINE = 0x0a;

/**
 * The lines of a JSONL file (gzip by its ending), many at a time, as bytes without their line end. Blank lines are no rows. A byte order
 * mark before the first line is dropped. The buffers are the caller's to keep.
 */
export async function* jsonLines(path: string, signal?: AbortSignal): AsyncGenerator<Buffer[]> {
  const stream = openBytes(path, signal);
  let carried: Buffer[] = [];
  let isFirst = true;
  for await (const bytes of stream as AsyncIterable<Buffer>) {
    const lines: Buffer[] = [];
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, from);
      if (end < 0) break;
      carried.push(bytes.subarray(from, end));
      isFirst = takeLine(carried, isFirst, lines);
      carried = [];
      from = end + 1;
    }
    if (from < bytes.length) carried.push(bytes.subarray(from));
    if (lines.length > 0) yield lines;
  }
  const last: Buffer[] = [];
  takeLine(carried, isFirst, last);
  if (last.length > 0) yield last;
}

/** Puts a line together and adds it unless it is blank. False once the first line of the file was seen. */
function takeLine(pieces: readonly Buffer[], isFirst: boolean, lines: Buffer[]): boolean {
  let line = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  if (isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3);
  for (const byte of line) {
    if (byte === 0x20 || byte === 0x09 || byte === 0x0d) continue;
    lines.push(line);
    return false;
  }
  return isFirst && line.length === 0 && pieces.length === 0;
}
