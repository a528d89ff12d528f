import { refusal } from '../engine/values/convert.ts';
import { textReading } from '../engine/values/text-reading.ts';
import type { FieldSpec, ScalarType, ScalarValue } from '../engine/values/field-type.ts';
import { nameOfType } from '../engine/values/type-name.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/** A view, and the names its join keys go by. */
export interface NamedKeys {
  readonly layout: Pick<ViewLayout, 'keys'>;
  /** In layout order. */
  readonly columns: readonly string[];
}

/** What a service asks for beside join keys. */
export type AskedField = Pick<FieldSpec, 'name' | 'type' | 'nullable' | 'optional'>;

/** What arguments say of an entity, and of a request. */
export interface GivenEntity {
  /** Per view, in layout order. */
  readonly keys: readonly (readonly ScalarValue[])[];
  /** The texts of those fields of the request that are given. */
  readonly request: Readonly<Record<string, string>>;
}

/** The join key values of arguments like `origin=LAS`, in layout order. Throws `invalid-key`. */
export function keyOf(layout: ViewLayout, given: readonly string[]): readonly ScalarValue[] {
  const columns = layout.keys.map(({ name }) => name);
  return entityOf(`view "${layout.view}"`, [{ layout, columns }], [], given).keys[0]!;
}

/**
 * The same for several views at once, whose join keys may go by other names, and for the fields of a request beside them. Throws `invalid-key`.
 *
 * @param of what they are of, as messages say it
 */
export function entityOf(
  of: string,
  views: readonly NamedKeys[],
  fields: readonly AskedField[],
  given: readonly string[],
): GivenEntity {
  const types = new Map(
    views.flatMap(({ layout, columns }) => layout.keys.map(({ type }, index) => [columns[index]!, type] as const)),
  );
  const expected = [
    ...[...types].map(([name, type]) => `${name}=<${nameOfType(type)}>`),
    ...fields.map(fieldText),
  ].join(' ');
  const asked = new Set([...types.keys(), ...fields.map(({ name }) => name)]);
  const refuse = (message: string): MillraceError =>
    new MillraceError('invalid-key', `${message}; expected ${expected}`, {
      remedy: `Give every join key${fields.length === 0 ? '' : ' and what the request needs'} once, as name=value.`,
    });
  const texts = new Map<string, string>();
  for (const pair of given) {
    const at = pair.indexOf('=');
    if (at < 1) throw refuse(`received "${pair}"`);
    const name = pair.slice(0, at);
    if (texts.has(name)) throw refuse(`"${name}" is given twice`);
    texts.set(name, pair.slice(at + 1));
  }
  const unknown = [...texts.keys()].find((name) => !asked.has(name));
  if (unknown !== undefined)
    throw refuse(`${of} has no key ${fields.length === 0 ? '' : 'or value of a request '}"${unknown}"`);
  const keys = views.map(({ layout, columns }) =>
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
  return { keys, request: Object.fromEntries([...texts].filter(([name]) => !types.has(name))) };
}

function fieldText({ name, type, optional }: AskedField): string {
  const text = `${name}=<${nameOfType(type as ScalarType)}>`;
  return optional ? `[${text}]` : text;
}

const timeReading = textReading({ kind: 'timestamp' });

/** The time of an option, µs. Throws `invalid-time`. */
export function timeOf(text: string, option = '--at'): number {
  const atUs = timeReading.convert(text);
  if (atUs === undefined) {
    throw new MillraceError('invalid-time', `${option}: ${refusal(timeReading, text)}`, {
      remedy: 'Give an ISO time with offset, e.g. 2026-06-01T12:00:00Z.',
    });
  }
  return atUs as number;
}
