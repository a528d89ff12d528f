import { isUtf8 } from 'node:buffer';
import type { CsvDialect } from '../../define/compiled-view.ts';
import { type BinaryKind, binaryText } from '../../values/binary-text.ts';
import { openBytes } from '../file-bytes.ts';
import { CsvFault } from './csv-fault.ts';

export const DEFAULT_DIALECT: CsvDialect = { delimiter: ',', decimal: '.' };

/** What a CSV file is made of, as its bytes tell. */
export interface CsvStructure {
  /** The names of its columns, as they stand in the file. */
  readonly header: readonly string[];
  /** Rows below the header. */
  readonly rows: number;
  /** Whether a quoted field goes over a line's end. */
  readonly hasQuotedLineEnds: boolean;
  /** The bytes of the longest record. */
  readonly longestBytes: number;
  /** False where only the beginning was looked at. */
  readonly isWhole: boolean;
}

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Looks through a CSV file by the rules of its declared dialect alone: a header line, fields apart by the delimiter, quotes `"` around a
 * whole field and doubled within it, one kind of line end, UTF-8, as many fields in each record as in the header. A blank line is no row,
 * where there is more than one column.
 *
 * @param maxBytes Stops after about as many, which then proves nothing about the rest.
 * @throws CsvFault
 */
export async function csvStructure(
  path: string,
  dialect: CsvDialect,
  signal?: AbortSignal,
  maxBytes = Number.POSITIVE_INFINITY,
): Promise<CsvStructure> {
  const scanner = new CsvScanner(dialect.delimiter.charCodeAt(0), maxBytes);
  for await (const bytes of openBytes(path, signal) as AsyncIterable<Buffer>) {
    scanner.take(bytes);
    if (scanner.isFull) return scanner.structure(false);
  }
  scanner.end();
  return scanner.structure(true);
}

/** Where the scanner stands: before a field, in one, within quotes, or after a quote within them. */
const places = { start: 0, plain: 1, quoted: 2, quote: 3 } as const;
type State = (typeof places)[keyof typeof places];

class CsvScanner {
  readonly #delimiter: number;
  readonly #maxBytes: number;
  #state: State = places.start;
  #line = 1;
  #recordLine = 1;
  #fields = 1;
  #recordBytes = 0;
  #longest = 0;
  #bytes = 0;
  #rows = -1;
  #columns = 0;
  #lineEnd: string | null = null;
  #afterCr = false;
  #hasQuotedLineEnds = false;
  #quotedLine = 0;
  #header: Buffer[] | null = [];
  #names: string[] = [];
  #tail = Buffer.alloc(0);

  constructor(delimiter: number, maxBytes: number) {
    this.#delimiter = delimiter;
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes && this.#header === null;
  }

  take(given: Buffer): void {
    let bytes = given;
    const isFirst = this.#bytes === 0;
    if (isFirst) refuseBinary(bytes);
    this.#checkUtf8(bytes);
    this.#bytes += bytes.length;
    if (isFirst && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
    const delimiter = this.#delimiter;
    const length = bytes.length;
    let recordStart = 0;
    let state: State = this.#state;
    for (let at = 0; at < length; at++) {
      const byte = bytes[at] as number;
      // Most bytes stand within a field.
      if (state === places.plain && byte !== delimiter && byte !== LF && byte !== CR) continue;
      if (this.#afterCr) {
        this.#afterCr = false;
        if (byte === LF) {
          if (state === places.quoted) continue;
          this.#endLine('\\r\\n');
          state = places.start;
          recordStart = at + 1;
          continue;
        }
        if (state !== places.quoted) {
          this.#endLine('\\r');
          state = places.start;
          recordStart = at;
        }
      }
      if (state === places.quoted) {
        if (byte === QUOTE) state = places.quote;
        else if (byte === LF || byte === CR) {
          this.#hasQuotedLineEnds = true;
          this.#line++;
          this.#afterCr = byte === CR;
        }
        continue;
      }
      if (byte === delimiter) {
        this.#fields++;
        state = places.start;
      } else if (byte === LF || byte === CR) {
        if (this.#header !== null) this.#header.push(bytes.subarray(recordStart, at));
        this.#recordBytes += at - recordStart;
        recordStart = at + 1;
        if (byte === CR) {
          this.#afterCr = true;
          state = places.start;
        } else {
          this.#endLine('\\n');
          state = places.start;
        }
      } else if (byte === QUOTE) {
        if (state === places.start) {
          state = places.quoted;
          this.#quotedLine = this.#line;
        } else if (state === places.quote) state = places.quoted;
      } else if (state === places.quote) {
        throw new CsvFault(
          this.#line,
          `there is text after the quote that closes field ${this.#fields}`,
          'Double a quote that stands within a quoted field, and let nothing but the delimiter follow the closing one.',
        );
      } else state = places.plain;
    }
    this.#state = state;
    this.#recordBytes += length - recordStart;
    if (this.#header !== null) this.#header.push(bytes.subarray(recordStart));
  }

  end(): void {
    if (this.#tail.length > 0) this.#notUtf8();
    if (this.#state === places.quoted) {
      throw new CsvFault(
        this.#quotedLine,
        `the quote that opens field ${this.#fields} is never closed`,
        'Close it; double a quote that stands within a quoted field.',
      );
    }
    if (this.#afterCr) this.#endLine('\\r');
    else if (this.#recordBytes > 0) this.#endRecord();
  }

  structure(isWhole: boolean): CsvStructure {
    return {
      header: this.#names,
      rows: Math.max(0, this.#rows),
      hasQuotedLineEnds: this.#hasQuotedLineEnds,
      longestBytes: this.#longest,
      isWhole,
    };
  }

  #endLine(kind: string): void {
    if (this.#lineEnd === null) this.#lineEnd = kind;
    else if (this.#lineEnd !== kind) {
      throw new CsvFault(
        this.#line,
        `it ends in ${kind}, the lines before in ${this.#lineEnd}: mixed line ends`,
        'Write the file with one kind of line end, e.g. by dos2unix; where files of two systems were put together, keep them apart.',
      );
    }
    this.#endRecord();
    this.#line++;
    this.#recordLine = this.#line;
  }

  #endRecord(): void {
    const isBlank = this.#recordBytes === 0;
    this.#longest = Math.max(this.#longest, this.#recordBytes);
    if (this.#header !== null) {
      if (isBlank)
        throw new CsvFault(this.#recordLine, 'the header is blank', 'Begin the file with the names of its columns.');
      this.#endHeader(this.#header);
    } else if (!isBlank || this.#columns === 1) {
      if (this.#fields !== this.#columns) throw this.#wrongFields();
      this.#rows++;
    }
    this.#state = places.start;
    this.#fields = 1;
    this.#recordBytes = 0;
  }

  #wrongFields(): CsvFault {
    return new CsvFault(
      this.#recordLine,
      `expected ${this.#columns} field${this.#columns === 1 ? '' : 's'} as in the header, found ${this.#fields}`,
      `Correct the line, or the file's delimiter: a history declares another by history: { csv: { delimiter: ';' } }, a spine has commas, or tabs as .tsv. A field with a delimiter in it stands in quotes.`,
    );
  }

  #endHeader(pieces: readonly Buffer[]): void {
    this.#names = headerNames(Buffer.concat(pieces).toString('utf8'), String.fromCharCode(this.#delimiter));
    this.#columns = this.#names.length;
    this.#header = null;
    this.#rows = 0;
  }

  #checkUtf8(bytes: Buffer): void {
    const whole = this.#tail.length === 0 ? bytes : Buffer.concat([this.#tail, bytes]);
    const cut = whole.length - incompleteBytes(whole);
    const head = whole.subarray(0, cut);
    if (!isUtf8(head)) this.#notUtf8(head);
    this.#tail = Buffer.from(whole.subarray(cut));
  }

  #notUtf8(bytes: Buffer = this.#tail): never {
    let good = 0;
    let bad = bytes.length;
    while (bad - good > 1) {
      const middle = (good + bad) >>> 1;
      const head = bytes.subarray(0, middle);
      if (isUtf8(head.subarray(0, middle - incompleteBytes(head)))) good = middle;
      else bad = middle;
    }
    let line = this.#line;
    for (let at = 0; at < good; at++) if (bytes[at] === LF) line++;
    throw new CsvFault(
      line,
      'it is not UTF-8 (Latin-1 or Windows-1252, perhaps)',
      'Convert the file: iconv -f WINDOWS-1252 -t UTF-8 IN > OUT.',
    );
  }
}

function refuseBinary(bytes: Buffer): void {
  const kind = binaryText(bytes);
  if (kind !== null) throw new CsvFault(1, `it is ${kind}, not text in UTF-8`, binaryRemedies[kind]);
}

const binaryRemedies: Readonly<Record<BinaryKind, string>> = {
  'UTF-16': 'Convert the file: iconv -f UTF-16 -t UTF-8 IN > OUT.',
  gzip: 'Unpack the file, or let its name end in .gz where gzip is read.',
  Zstandard: 'Unpack the file.',
  Parquet: 'Let its name end in .parquet.',
  'a ZIP file (of Excel, perhaps)': 'Unpack it, or save it as CSV in UTF-8.',
  'zero bytes': 'Repair the file, write it anew, or take it out.',
};

/** How many bytes at the end begin a character of UTF-8 that goes on. */
function incompleteBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return size > back ? back : 0;
  }
  return 0;
}

/** The fields of a header record that was found to be in order. */
function headerNames(text: string, delimiter: string): string[] {
  const names: string[] = [];
  let at = 0;
  for (;;) {
    let name = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (text[at] === '"' && text[++at] !== '"') break;
        name += text[at] ?? '';
      }
    } else {
      const end = text.indexOf(delimiter, at);
      name = text.slice(at, end < 0 ? text.length : end);
      at += name.length;
    }
    names.push(name);
    if (at >= text.length) return names;
    at++;
  }
}
