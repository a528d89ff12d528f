import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

/** So many lines are at hand for messages. */
const LINES_KEPT = 40;
/** Of a line, in characters. */
const LINE_MOST = 400;

/** What a command said last, and how much it said. */
export interface OutputTail {
  /** Oldest first. */
  readonly lines: readonly string[];
  /** All there were. */
  readonly lineCount: number;
  readonly bytes: number;
}

/**
 * Takes a command's output: the last lines stay at hand, and a file has all of it up to its bound. A file that reached it ends with how much was left out,
 * and with the last lines.
 */
export class OutputKeeper {
  readonly #decoders = new Map<string, { readonly decoder: StringDecoder; rest: string }>();
  readonly #lines: string[] = [];
  readonly #mostBytes: number;
  readonly #file: WriteStream;
  #lineCount = 0;
  #bytes = 0;
  #written = 0;
  #fault: Error | null = null;

  constructor(file: string, mostBytes: number) {
    this.#mostBytes = mostBytes;
    this.#file = createWriteStream(file, { flags: 'w' });
    // Told by `close`: a full disk must not end the process.
    this.#file.on('error', (error) => (this.#fault = error));
  }

  /** @param stream one of two or more that come at once: each has its own lines */
  take(stream: string, chunk: Buffer): void {
    this.#bytes += chunk.byteLength;
    const room = Math.max(0, this.#mostBytes - this.#written);
    if (room > 0 && this.#fault === null) {
      const part = chunk.subarray(0, room);
      this.#written += part.byteLength;
      this.#file.write(part);
    }
    const kept = this.#decoders.get(stream) ?? { decoder: new StringDecoder('utf8'), rest: '' };
    this.#decoders.set(stream, kept);
    // A progress bar goes over its own line with carriage returns: what it said last counts.
    const pieces = (kept.rest + kept.decoder.write(chunk)).split('\n');
    kept.rest = (pieces.pop() ?? '').slice(-LINE_MOST * 10);
    for (const line of pieces) this.#keep(line);
  }

  tail(): OutputTail {
    const open = [...this.#decoders.values()].map(({ rest }) => shownLine(rest)).filter((line) => line !== '');
    return {
      lines: [...this.#lines, ...open].slice(-LINES_KEPT),
      lineCount: this.#lineCount + open.length,
      bytes: this.#bytes,
    };
  }

  /** Resolves when the file is written. Why it could not be is no failure of the command; null where it could. */
  async close(): Promise<Error | null> {
    const leftOut = this.#bytes - this.#written;
    if (leftOut > 0 && this.#fault === null)
      this.#file.write(`\n[${leftOut} bytes left out; the last lines:]\n${this.tail().lines.join('\n')}\n`);
    this.#file.end();
    await finished(this.#file).catch((error: Error) => (this.#fault = error));
    return this.#fault;
  }

  #keep(line: string): void {
    this.#lineCount++;
    this.#lines.push(shownLine(line));
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
  }
}

/** A line for people and for JSON: without what a terminal would do with it, and bounded. */
function shownLine(line: string): string {
  const last =
    line
      .replace(/\r+$/, '')
      .split('\r')
      .findLast((part) => part !== '') ?? '';
  const plain = stripVTControlCharacters(last).replace(/(?!\t)\p{Cc}/gu, '');
  return plain.length <= LINE_MOST ? plain : `${plain.slice(0, LINE_MOST - 1)}…`;
}
