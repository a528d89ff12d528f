import { binaryText } from '../values/binary-text.ts';
import { describeReceived } from '../values/describe-received.ts';

const AROUND = 100;
const LITERALS = ['true', 'false', 'null'];
const NON_FINITE = /-?Infinity|NaN/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;
const SPACE = /[ \t\n\r]*/y;

/** The bytes before a value that AWS Glue's serializer writes: 3, how it is compressed (0 or 5), a UUID. */
const GLUE_BYTES = 18;

/** What bytes that begin with one below 9, which no JSON does, look like. */
export function framingFault(bytes: Buffer): string {
  if (binaryText(bytes) !== null) return encodingFault(bytes);
  if (bytes[0] === 3 && (bytes[1] === 0 || bytes[1] === 5) && bytes.length > GLUE_BYTES) {
    return (
      "record: looks like a schema registry's framing (AWS Glue): expected plain JSON, written without the registry's serializer, " +
      `received ${GLUE_BYTES} bytes before ${describeReceived(bytes.subarray(GLUE_BYTES, GLUE_BYTES + 2 * AROUND).toString())}`
    );
  }
  if (bytes[0] !== 0 || bytes.length < 6) {
    const howMany = bytes.length === 1 ? '1 byte that begins' : `${bytes.length} bytes that begin`;
    return `record: expected JSON, received ${howMany} with ${bytes.toString('hex', 0, 1)}`;
  }
  const after = bytes.subarray(5, 5 + 2 * AROUND).toString();
  return (
    `record: looks like a schema registry's framing (schema id ${bytes.readUInt32BE(1)}): expected plain JSON, written without the registry's ` +
    `serializer, received a zero byte and 4 bytes before ${describeReceived(after)}`
  );
}

const REMEDIES = {
  connect: 'write the payload alone (Kafka Connect: value.converter.schemas.enable=false)',
  debezium: 'write the row alone (Debezium: the transform ExtractNewRecordState)',
  cloudEvent: 'write the data alone, its attributes as headers (CloudEvents: binary mode)',
};

/**
 * Why a record that breaks its contract looks like an envelope around a row; null where it does not.
 *
 * @param own The contract's fields: what it asks for is no envelope's.
 */
export function envelopeFault(record: Readonly<Record<string, unknown>>, own: ReadonlySet<string>): string | null {
  const has = (...names: readonly string[]): boolean =>
    names.every((name) => Object.hasOwn(record, name) && !own.has(name));
  const found = has('schema', 'payload')
    ? (['Kafka Connect', REMEDIES.connect] as const)
    : has('op', 'after') || has('op', 'before')
      ? (['Debezium', REMEDIES.debezium] as const)
      : has('specversion', 'data')
        ? (['CloudEvents', REMEDIES.cloudEvent] as const)
        : null;
  return found === null ? null : `record: looks like an envelope of ${found[0]}: ${found[1]}`;
}

/** Bytes that are no UTF-8, or none that is meant: by what they begin with. */
export function encodingFault(bytes: Buffer): string {
  const avro = bytes[0] === 0xc3 && bytes[1] === 0x01 ? 'Avro (single-object encoding)' : null;
  return `record: expected JSON in UTF-8, received ${binaryText(bytes) ?? avro ?? 'other bytes'}`;
}

/** What was received in place of JSON, up to 200 characters around the place where it stops being JSON. */
export function jsonFault(text: string): string {
  if (text === '') return 'received nothing';
  const at = faultAt(text);
  const word = matchAt(NON_FINITE, text, at);
  const what = word === '' ? '' : `: ${word} is no JSON`;
  if (text.length <= 2 * AROUND) return `received ${describeReceived(text)}${what}`;
  const from = Math.max(0, Math.min(at - AROUND, text.length - 2 * AROUND));
  const until = Math.min(text.length, from + 2 * AROUND);
  const shown = JSON.stringify(text.slice(from, until).toWellFormed());
  const before = from > 0 ? '…' : '';
  const after = until < text.length ? '…' : '';
  return `received ${before}${shown}${after} (fault at character ${at + 1} of ${text.length})${what}`;
}

/**
 * The value of a text that is JSON but for NaN and Infinity, which some programs write: with those numbers in their places. Undefined where
 * there are none, or where that is not all.
 */
export function withNonFinite(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return undefined;
  let replaced = '';
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? undefined : quote);
    // No producer writes these numbers. In strings NaN is text.
    replaced += outside.replaceAll('Infinity', '1e99999').replaceAll('NaN', NAN_STAND_IN);
    if (quote < 0) break;
    const length = stringLength(text, quote);
    if (length <= 0) return undefined;
    replaced += text.slice(quote, quote + length);
    at = quote + length;
  }
  const reviver = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
    context?.source === NAN_STAND_IN ? Number.NaN : value;
  try {
    return JSON.parse(replaced, reviver);
  } catch {
    return undefined;
  }
}

const NAN_STAND_IN = '1.5e99999';

/** Where a text stops being JSON. Without recursion: it may be nested as deeply as it is long. */
function faultAt(text: string): number {
  const open: string[] = [];
  let at = 0;
  const skip = (): void => {
    at += matchAt(SPACE, text, at).length;
  };
  for (;;) {
    skip();
    const first = text[at];
    if (first === '{' || first === '[') {
      at++;
      skip();
      const close = first === '{' ? '}' : ']';
      if (text[at] !== close) {
        open.push(close);
        if (first === '{') {
          const next = nameEnd(text, at);
          if (next.isFault) return next.at;
          at = next.at;
        }
        continue;
      }
      at++;
    } else {
      const length = first === '"' ? stringLength(text, at) : literalLength(text, at);
      if (length <= 0) return at - length;
      at += length;
    }
    // A value has ended: what encloses it ends too, or goes on.
    for (;;) {
      skip();
      const close = open.at(-1);
      if (close === undefined || (text[at] !== close && text[at] !== ',')) return at;
      if (text[at++] === ',') {
        if (close !== '}') break;
        skip();
        const next = nameEnd(text, at);
        if (next.isFault) return next.at;
        at = next.at;
        break;
      }
      open.pop();
    }
  }
}

/** The end of `"name" :`, or where it is none. */
function nameEnd(text: string, from: number): { readonly at: number; readonly isFault: boolean } {
  const length = text[from] === '"' ? stringLength(text, from) : 0;
  if (length <= 0) return { at: from - length, isFault: true };
  const at = from + length + matchAt(SPACE, text, from + length).length;
  return text[at] === ':' ? { at: at + 1, isFault: false } : { at, isFault: true };
}

/** The length of the string that begins here; where it is none, minus the length of what is sound of it. */
function stringLength(text: string, from: number): number {
  let at = from + 1;
  for (;;) {
    const character = text[at];
    if (character === '"') return at + 1 - from;
    // Control characters have to be escaped.
    const isPlain = character !== undefined && character !== '\\' && character >= ' ';
    const length = isPlain ? 1 : matchAt(ESCAPE, text, at).length;
    if (length === 0) return from - at;
    at += length;
  }
}

function literalLength(text: string, at: number): number {
  const literal = LITERALS.find((word) => text.startsWith(word, at));
  return literal === undefined ? matchAt(NUMBER, text, at).length : literal.length;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}
