import type { Cell } from '../values/cell.ts';
import { carriedJson } from '../values/composite-text.ts';
import { errorOf } from '../values/feature-errors.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { JsonTree, JsonValue } from '../values/json-values.ts';
import type { ResultType } from '../values/result-type.ts';
import { nameOfType } from '../values/type-name.ts';
import { mismatch, objectOf, type ServedRead, servedError } from './served-read.ts';
import type { OwnToLog } from './service-to-log.ts';

/** A service's own record in the terms of one definition of it; undefined stands where the record has nothing of that name and type. */
export interface ServiceValues {
  /** Per column of the service. */
  readonly key: readonly (ScalarValue | undefined)[];
  /** Per derived feature, in the service's order: what was served. */
  readonly derived: readonly (Cell | undefined)[];
  /** Per field of the request, in the order of `OwnToLog`: what was given. */
  readonly request: readonly (ScalarValue | undefined)[];
}

interface Named {
  readonly name: string;
  readonly typeName: string;
  readonly convert: (raw: unknown) => ScalarValue | undefined;
}

/** Characters of what was received that a message shows. */
const SHOWN = 80;

/**
 * Turns the records of what a service was asked with and derived back into values: those of the same name and type as one definition has them. A record says
 * its types itself, so that no definition of the time is needed.
 *
 * @example
 * const { derived, request } = new ServiceReadDecoder(ownToLog(service)!).read(read);
 */
export class ServiceReadDecoder {
  readonly #keys: readonly Named[];
  readonly #features: readonly Named[];
  readonly #fields: readonly Named[];

  constructor({ keys, features, request }: Pick<OwnToLog, 'keys' | 'features' | 'request'>) {
    this.#keys = keys.map(namedOf);
    this.#features = features.map(({ name, result: type }) => namedOf({ name, type }));
    this.#fields = request.map(namedOf);
  }

  /** Throws MillraceError `served-read-mismatch` where the record is not what it says itself. */
  read(read: ServedRead): ServiceValues {
    const entity = objectOf(read, 'entity', read.entityJson);
    const types = objectOf(read, 'types', read.typesJson ?? '{}') as JsonTree as Readonly<Record<string, Texts>>;
    const errors = read.errorsJson === null ? null : objectOf(read, 'errors', read.errorsJson);
    const values = objectOf(read, 'values', read.valuesJson);
    const given = objectOf(read, 'request', read.requestJson ?? '{}');
    return {
      key: this.#keys.map(({ name, convert }) => (Object.hasOwn(entity, name) ? convert(entity[name]) : undefined)),
      derived: this.#features.map((feature) => valueIn(read, values, types['derived'], feature, errors)),
      request: this.#fields.map(
        (field) => valueIn(read, given, types['request'], field, null) as ScalarValue | undefined,
      ),
    };
  }
}

type Texts = Readonly<Record<string, unknown>> | undefined;

function namedOf({ name, type }: { readonly name: string; readonly type: ResultType }): Named {
  return { name, typeName: nameOfType(type), convert: carriedJson(type) };
}

function valueIn(
  read: ServedRead,
  values: Readonly<Record<string, JsonValue>>,
  types: Texts,
  { name, typeName, convert }: Named,
  errors: Readonly<Record<string, JsonValue>> | null,
): Cell | undefined {
  if (!Object.hasOwn(values, name) || types === undefined || types[name] !== typeName) return undefined;
  const raw = values[name];
  const code = errorOf(errors, name);
  if (code !== undefined) return servedError(read, name, code, raw);
  const value = convert(raw);
  // An enum is called so whatever its values are, and may have had others.
  if (value === undefined && !typeName.includes('enum'))
    throw mismatch(read, `"${name}": expected ${typeName}, received ${JSON.stringify(raw).slice(0, SHOWN)}`);
  return value;
}
