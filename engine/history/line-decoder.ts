import type { CompiledSource } from '../define/compiled-view.ts';
import type { DecodeResult } from '../contract/compiled-contract.ts';
import { describeReceived } from '../values/describe-received.ts';
import { invariant } from '../errors/millrace-error.ts';
import { decoderOf, TEXT } from './column-decoder.ts';
import { pathValues } from './partition-path.ts';

/** Decodes a line of JSONL. */
export type LineDecoder = (line: Uint8Array) => DecodeResult;

/**
 * The decoder of the lines of one file: with path columns, their values come from its path, and a line that has one, too, must say the same.
 *
 * @throws MillraceError `history-partition-missing`, `history-partition-invalid`.
 */
export function lineDecoder(source: CompiledSource, path: string): LineDecoder {
  const { contract } = source;
  const texts = pathValues(source, path);
  if (texts.size === 0) return contract.decodeJson;
  const reasons: string[] = [];
  const ofPath = [...texts].map(([name, text]) => {
    const decode = decoderOf(source, name, TEXT);
    return { name, value: decode(text, reasons) };
  });
  if (reasons.length > 0) return () => ({ ok: false, reasons });
  const { lines } = source.history ?? {};
  invariant(lines !== undefined, `source "${source.name}" has path columns, and no decoders for lines without them`);
  const names = contract.fields.map(({ name }) => name);
  return (line) => {
    const parsed = parse(line);
    // What is no JSON object is refused in its own words.
    if (parsed === null) return contract.decodeJson(line);
    const rest = lines.rest.decodeValue(parsed);
    const faults = rest.ok ? [] : [...rest.reasons];
    const row: Record<string, unknown> = Object.fromEntries(
      names.map((name) => [name, rest.ok ? rest.row[name] : null]),
    );
    for (const { name, value } of ofPath) {
      row[name] = value;
      if (!Object.hasOwn(parsed, name)) continue;
      const own = lines.own.get(name)!.decodeValue({ [name]: parsed[name] });
      if (own.ok && own.row[name] === value) continue;
      const [expected, received] = [describeReceived(value), describeReceived(parsed[name])];
      faults.push(`${name}: expected ${expected} as in the file's path, received ${received} in the file`);
    }
    return faults.length === 0 ? { ok: true, row } : { ok: false, reasons: faults };
  };
}

function parse(line: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(line));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
