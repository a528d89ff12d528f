import { refusal } from '../engine/values/convert.ts';
import { textReading } from '../engine/values/text-reading.ts';
import type { ScalarValue } from '../engine/values/field-type.ts';
import { nameOfType } from '../engine/values/type-name.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/** A view, and the names its join keys go by. */
export interface NamedKeys {
  readonly layout: Pick<ViewLayout, 'keys'>;
  /** In layout order. */
  readonly columns: readonly string[];
}

/** The join key values of arguments like `origin=LAS`, in layout order. Throws `invalid-key`. */
export function keyOf(layout: ViewLayout, given: readonly string[]): ScalarValue[] {
  const columns = layout.keys.map(({ name }) => name);
  return keysOf(`view "${layout.view}"`, [{ layout, columns }], given)[0]!;
}

/**
 * The same for several views at once, whose join keys may go by other names. Throws `invalid-key`.
 *
 * @param of what they are of, as messages say it
 */
export function keysOf(of: string, views: readonly NamedKeys[], given: readonly string[]): ScalarValue[][] {
  const types = new Map(
    views.flatMap(({ layout, columns }) => layout.keys.map(({ type }, index) => [columns[index]!, type] as const)),
  );
  const expected = [...types].map(([name, type]) => `${name}=<${nameOfType(type)}>`).join(' ');
  const refuse = (message: string): MillraceError =>
    new MillraceError('invalid-key', `${message}; expected ${expected}`, {
      remedy: 'Give every join key once, as name=value.',
    });
  const texts = new Map<string, string>();
  for (const pair of given) {
    const at = pair.indexOf('=');
    if (at < 1) throw refuse(`received "${pair}"`);
    const name = pair.slice(0, at);
    if (texts.has(name)) throw refuse(`key "${name}" is given twice`);
    texts.set(name, pair.slice(at + 1));
  }
  const unknown = [...texts.keys()].find((name) => !types.has(name));
  if (unknown !== undefined) throw refuse(`${of} has no key "${unknown}"`);
  return views.map(({ layout, columns }) =>
    layout.keys.map(({ type }, index) => {
      const name = columns[index]!;
      const text = texts.get(name);
      if (text === undefined) throw refuse(`key "${name}" is missing`);
      const reading = textReading(type);
      const value = reading.convert(text);
      if (value === undefined) throw refuse(`key "${name}": ${refusal(reading, text)}`);
      return value as ScalarValue;
    }),
  );
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
