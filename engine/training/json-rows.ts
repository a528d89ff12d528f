import { isUtf8 } from 'node:buffer';
import { jsonFault } from '../contract/json-fault.ts';
import { binaryText } from '../values/binary-text.ts';
import { describeReceived } from '../values/describe-received.ts';
import { openBytes } from '../history/file-bytes.ts';
import { jsonLines } from '../history/json-lines.ts';
import { jsonElements } from './json-elements.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

/** A number as it is written, where a double might be another; `JSON.stringify` writes it so again. */
export interface RawNumber {
  readonly rawJSON: string;
}

interface RawJson {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
}

const rawJson = JSON as JSON & RawJson;

/** A row of a JSON spine. */
export type JsonRow = Readonly<Record<string, unknown>>;

/**
 * Up to 15 digits a double means the number it was read from; with an exponent it may be beyond all doubles, a whole number that is written with a
 * point is meant for one, and `JSON.stringify` has no minus zero.
 */
const TELLING_NUMBER = /\d[\d.]{15}|\d[eE]|\.0+(?!\d)|-0(?![\d.])/;

/** Whether a value of a row is a number kept as it is written. */
export function isRawNumber(value: unknown): value is RawNumber {
  return rawJson.isRawJSON(value);
}

/** The rows of a JSON spine, many at a time. Throws `spine-unreadable`, with the line or the row. */
export async function* jsonRows(file: SpineFile, signal: AbortSignal): AsyncGenerator<JsonRow[]> {
  const isArray = file.format === 'json' && (await beginsWithBracket(file.path, signal));
  const texts = isArray ? jsonElements(file, signal) : jsonLines(file.path, signal);
  let row = 0;
  for await (const found of texts) {
    const rows: JsonRow[] = [];
    for (const bytes of found) {
      const parsed = parseRow(bytes);
      if (typeof parsed === 'string') {
        const place = isArray ? `row ${row + 1}` : `line ${await lineOf(file.path, row, signal)}`;
        throw unreadableSpine(file, parsed, { place });
      }
      rows.push(parsed);
      row++;
    }
    yield rows;
  }
}

/** A row, or why it is none. */
function parseRow(bytes: Buffer): JsonRow | string {
  const text = bytes.toString();
  if (text.includes('\uFFFD') && !isUtf8(bytes)) {
    return (
      binaryFault(bytes) ??
      'it is not UTF-8 (Latin-1 or Windows-1252, perhaps): convert the file by iconv -f WINDOWS-1252 -t UTF-8 IN > OUT'
    );
  }
  let value: unknown;
  try {
    value = TELLING_NUMBER.test(text) ? JSON.parse(text, keepTelling) : JSON.parse(text);
  } catch (error) {
    if (error instanceof RangeError) return 'it is nested too deeply';
    return binaryFault(bytes) ?? `expected JSON, ${jsonFault(text)}`;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRow;
  return `expected a JSON object, received ${describeReceived(value)}`;
}

function binaryFault(bytes: Buffer): string | null {
  const kind = binaryText(bytes);
  return kind === null ? null : `it is ${kind}, not text in UTF-8`;
}

function keepTelling(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  return typeof value === 'number' && source !== undefined && TELLING_NUMBER.test(source)
    ? rawJson.rawJSON(source)
    : value;
}

/** The line, from 1, on which a row stands: blank lines are no rows. */
async function lineOf(path: string, row: number, signal: AbortSignal): Promise<number> {
  let line = 1;
  let rows = -1;
  let isBlank = true;
  for await (const bytes of openBytes(path, signal) as AsyncIterable<Buffer>) {
    for (const byte of bytes) {
      if (byte === 0x0a) {
        line++;
        isBlank = true;
      } else if (isBlank && byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) {
        isBlank = false;
        if (++rows === row) return line;
      }
    }
  }
  return line;
}

async function beginsWithBracket(path: string, signal: AbortSignal): Promise<boolean> {
  for await (const bytes of openBytes(path, signal) as AsyncIterable<Buffer>) {
    const first = /[^\s\uFEFF]/.exec(bytes.toString());
    if (first !== null) return first[0] === '[';
  }
  return false;
}
