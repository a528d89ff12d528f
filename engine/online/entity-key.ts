import { type Reading, refusal } from '../values/convert.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import { nameOfType } from '../values/type-name.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/**
 * Where an entity stands in a request, as refusals begin; '' where it is the only one.
 *
 * @example
 * placeOf(1, 3); // 'entities[1]: '
 */
export function placeOf(index: number, count: number): string {
  return count > 1 ? `entities[${index}]: ` : '';
}

function invalidKey(
  layout: ViewLayout,
  message: string,
  details: Readonly<Record<string, unknown>>,
  place = '',
  columns: readonly string[] = layout.keys.map(({ name }) => name),
): MillraceError {
  const expected = layout.keys.map((key, index) => `${columns[index]}: ${nameOfType(key.type)}`).join(', ');
  return new MillraceError('invalid-key', `${place}view "${layout.view}", ${message}`, {
    remedy: `Give the join keys of entity "${layout.entity}": { ${expected} }.`,
    details: { view: layout.view, ...details },
  });
}

/** Checks join keys against a view's layout; made once per layout. */
export class EntityKeys {
  readonly #layout: ViewLayout;
  readonly #names: readonly string[];
  readonly #ofRow: readonly Reading[];

  constructor(layout: ViewLayout) {
    this.#layout = layout;
    this.#names = layout.keys.map(({ name }) => name);
    this.#ofRow = layout.keys.map((key) => rowValueReading(key.type));
  }

  #convert(
    reading: Reading,
    name: string,
    type: ScalarType,
    value: unknown,
    place = '',
    columns = this.#names,
  ): ScalarValue {
    const converted = value === null || value === undefined ? undefined : reading.convert(value);
    if (converted === undefined) {
      const details = { key: name, expected: nameOfType(type) };
      throw invalidKey(this.#layout, `key "${name}": ${refusal(reading, value)}`, details, place, columns);
    }
    return converted as ScalarValue;
  }

  /** Key values in layout order, in their TypeScript representation. Throws MillraceError `invalid-key`. */
  check(values: readonly ScalarValue[]): ScalarValue[] {
    const { keys } = this.#layout;
    if (values.length !== keys.length) {
      throw invalidKey(this.#layout, `expected ${keys.length} join keys, received ${values.length}`, {});
    }
    return keys.map(({ name, type }, index) => this.#convert(this.#ofRow[index]!, name, type, values[index]));
  }

  /**
   * Key values by name, each read by `readingOf` its type (`typedReading` for JSON, `rowValueReading` for TypeScript).
   * Names that are no join key are refused unless `ignoreOthers`. Throws MillraceError `invalid-key`, whose message begins with `place`.
   *
   * @param columns the names the join keys go by, in layout order; default: their own
   */
  ofObject(
    given: Readonly<Record<string, unknown>>,
    readingOf: (type: ScalarType) => Reading,
    ignoreOthers = false,
    place = '',
    columns = this.#names,
  ): ScalarValue[] {
    const unknown = ignoreOthers ? undefined : Object.keys(given).find((name) => !columns.includes(name));
    if (unknown !== undefined) {
      throw invalidKey(this.#layout, `key "${unknown}": no such join key`, { key: unknown }, place, columns);
    }
    return this.#layout.keys.map(({ type }, index) => {
      const name = columns[index]!;
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      return this.#convert(readingOf(type), name, type, value, place, columns);
    });
  }
}
