import { refusal } from '../engine/values/convert.ts';
import { textReading } from '../engine/values/text-reading.ts';
import type { ScalarValue } from '../engine/values/field-type.ts';
import { nameOfType } from '../engine/values/type-name.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/** The join key values of arguments like `origin=LAS`, in layout order. Throws `invalid-key`. */
export function keyOf(layout: ViewLayout, given: readonly string[]): ScalarValue[] {
  const expected = layout.keys.map(({ name, type }) => `${name}=<${nameOfType(type)}>`).join(' ');
  const refuse = (message: string): MillraceError =>
    new MillraceError('invalid-key', `${message}; expected ${expected}`, {
      remedy: 'Give every join key once, as name=value.',
    });
  const values = new Map<string, string>();
  for (const pair of given) {
    const at = pair.indexOf('=');
    if (at < 1) throw refuse(`received "${pair}"`);
    const name = pair.slice(0, at);
    if (values.has(name)) throw refuse(`key "${name}" is given twice`);
    values.set(name, pair.slice(at + 1));
  }
  const unknown = [...values.keys()].find((name) => !layout.keys.some((key) => key.name === name));
  if (unknown !== undefined) throw refuse(`view "${layout.view}" has no key "${unknown}"`);
  return layout.keys.map(({ name, type }) => {
    const text = values.get(name);
    if (text === undefined) throw refuse(`key "${name}" is missing`);
    const reading = textReading(type);
    const value = reading.convert(text);
    if (value === undefined) throw refuse(`key "${name}": ${refusal(reading, text)}`);
    return value as ScalarValue;
  });
}

const timeReading = textReading({ kind: 'timestamp' });

/** The time of `--at`, µs. Throws `invalid-time`. */
export function timeOf(text: string): number {
  const atUs = timeReading.convert(text);
  if (atUs === undefined) {
    throw new MillraceError('invalid-time', `--at: ${refusal(timeReading, text)}`, {
      remedy: 'Give an ISO time with offset, e.g. 2026-06-01T12:00:00Z.',
    });
  }
  return atUs as number;
}
