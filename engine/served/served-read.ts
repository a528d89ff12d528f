import { carriedJson } from '../values/composite-text.ts';
import { type Cell, CellError } from '../values/cell.ts';
import { errorOf } from '../values/feature-errors.ts';
import { type JsonValue, scalarOfJson } from '../values/json-values.ts';
import { parseJson } from '../values/parse-json.ts';
import { nameOfType } from '../values/type-name.ts';
import type { Convert } from '../values/convert.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** Characters of what was received that a message shows. */
const SHOWN = 80;

/** One read as it was served: one entity, one view, one request. */
export interface ServedRead {
  readonly readId: string;
  readonly requestId: string;
  /** The service it was read through, or null. */
  readonly service: string | null;
  readonly view: string;
  /** The role of the view it was read for, or null. */
  readonly role: string | null;
  readonly version: number;
  readonly fingerprint: string;
  /** JSON text: join key -> value, in layout order. */
  readonly entityJson: string;
  /** When it was served, by the server's clock, µs. */
  readonly servedAtUs: number;
  /** The request time the values are of, µs. */
  readonly asOfUs: number;
  readonly found: boolean;
  readonly ahead: boolean;
  /** The commit that wrote the state last; 0 is the backfill, null where there was no state. */
  readonly seq: number | null;
  /** The id of that commit; the backfill's where there was no state. Null: not known. */
  readonly commitId: bigint | null;
  /** JSON text: feature -> value, exact, as HTTP has it. */
  readonly valuesJson: string;
  /** JSON text: feature -> code of the error in place of its value, `*`: of all; null where there was none, and in records from before there were errors. */
  readonly errorsJson: string | null;
  /** JSON text: field -> value, of what a service was asked with; null of a view's read. Where it is set, `view` is the service, and `values` what it derived. */
  readonly requestJson: string | null;
  /** JSON text: the types of `request` and `values`, by name; null of a view's read. */
  readonly typesJson: string | null;
  /** The features it has values of, in their order. Parsed when asked for; throws MillraceError `served-read-mismatch`. */
  readonly features: readonly string[];
  /** Features that meant something else then, where that is known: by their tags. */
  readonly otherFeatures?: ReadonlySet<string> | undefined;
}

/** A served feature: which of the layout's, and its value to the bit, or the error that was served in its place. */
export interface ServedValue {
  /** Index into `layout.features`. */
  readonly index: number;
  readonly value: Cell;
}

/**
 * Turns what a read was logged as back into values, for reads of one layout; made once per layout. Both methods throw MillraceError
 * `served-read-mismatch` where a read is of another definition.
 *
 * @example
 * const decoder = new ServedReadDecoder(version.layout);
 * decoder.entity(read); // ['LAS', 'PHL']
 */
export class ServedReadDecoder {
  readonly #keys: readonly { readonly name: string; readonly type: ScalarType; readonly convert: Convert }[];
  readonly #features: ReadonlyMap<
    string,
    { readonly index: number; readonly feature: FeatureLayout; convert: Convert }
  >;

  constructor(layout: ViewLayout) {
    this.#keys = layout.keys.map(({ name, type }) => ({ name, type, convert: scalarOfJson(type) }));
    this.#features = new Map(
      layout.features.map((feature, index) => [feature.name, { index, feature, convert: carriedJson(feature.result) }]),
    );
  }

  /** The join keys, in layout order. */
  entity(read: ServedRead): ScalarValue[] {
    const entity = objectOf(read, 'entity', read.entityJson);
    const keys = this.#keys;
    if (Object.keys(entity).length !== keys.length) {
      throw mismatch(read, `its entity: expected the join keys ${keys.map(({ name }) => name).join(', ')}`);
    }
    return keys.map(({ name, type, convert }) => {
      const value = Object.hasOwn(entity, name) ? convert(entity[name]) : undefined;
      if (value === undefined) throw mismatch(read, `its entity: "${name}" is no ${type.kind}`);
      return value as ScalarValue;
    });
  }

  /** The values of the features that were asked for, in their order. */
  values(read: ServedRead): ServedValue[] {
    const values: ServedValue[] = [];
    const errors = read.errorsJson === null ? null : objectOf(read, 'errors', read.errorsJson);
    for (const [name, raw] of Object.entries(objectOf(read, 'values', read.valuesJson))) {
      const known = this.#features.get(name);
      if (known === undefined) throw mismatch(read, `the view has no feature "${name}"`);
      const { index, feature, convert } = known;
      const code = errorOf(errors, name);
      if (code !== undefined) {
        values.push({ index, value: servedError(read, name, code, raw) });
        continue;
      }
      const value = raw === null ? (feature.nullable ? null : undefined) : convert(raw);
      if (value === undefined) {
        throw mismatch(
          read,
          `feature "${name}": expected ${nameOfType(feature.result)}, received ${JSON.stringify(raw).slice(0, SHOWN)}`,
        );
      }
      values.push({ index, value: value as ScalarValue });
    }
    return values;
  }
}

/** A read as the scan finds it; what most readers do not need is parsed when asked for. */
export class LoggedRead implements ServedRead {
  readonly readId: string;
  readonly requestId: string;
  readonly service: string | null;
  readonly view: string;
  readonly role: string | null;
  readonly version: number;
  readonly fingerprint: string;
  readonly entityJson: string;
  readonly servedAtUs: number;
  readonly asOfUs: number;
  readonly found: boolean;
  readonly ahead: boolean;
  readonly seq: number | null;
  readonly commitId: bigint | null;
  readonly valuesJson: string;
  readonly errorsJson: string | null;
  readonly requestJson: string | null;
  readonly typesJson: string | null;

  /** @param row A row of the serving log's contract. */
  constructor(row: Readonly<Record<string, unknown>>) {
    this.readId = row['read_id'] as string;
    this.requestId = row['request_id'] as string;
    this.service = row['service'] as string | null;
    this.view = row['view'] as string;
    this.role = (row['role'] ?? null) as string | null;
    this.version = row['version'] as number;
    this.fingerprint = row['fingerprint'] as string;
    this.entityJson = row['entity'] as string;
    this.servedAtUs = row['served_at'] as number;
    this.asOfUs = row['as_of'] as number;
    this.found = row['found'] as boolean;
    this.ahead = row['ahead'] as boolean;
    this.seq = row['seq'] as number | null;
    this.commitId = (row['commit_id'] ?? null) as bigint | null;
    this.valuesJson = row['values'] as string;
    this.errorsJson = (row['errors'] ?? null) as string | null;
    this.requestJson = (row['request'] ?? null) as string | null;
    this.typesJson = (row['types'] ?? null) as string | null;
  }

  get features(): readonly string[] {
    return Object.keys(objectOf(this, 'values', this.valuesJson));
  }
}

/** The error that was logged in place of a value. Throws MillraceError `served-read-mismatch`. */
export function servedError(read: ServedRead, name: string, code: JsonValue, raw: JsonValue | undefined): CellError {
  const error = CellError.of(String(code));
  if (error === undefined || raw !== null) {
    throw mismatch(
      read,
      `feature "${name}": expected null with a known error, received ${JSON.stringify(raw).slice(0, SHOWN)} with ${JSON.stringify(code)}`,
    );
  }
  return error;
}

/** A logged JSON text as an object. Throws MillraceError `served-read-mismatch`. */
export function objectOf(read: ServedRead, field: string, text: string): Readonly<Record<string, JsonValue>> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw mismatch(read, `${field} is no JSON: ${text.slice(0, SHOWN)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw mismatch(read, `${field}: expected a JSON object, received ${text.slice(0, SHOWN)}`);
  }
  return value as Readonly<Record<string, JsonValue>>;
}

export function mismatch(read: ServedRead, message: string): MillraceError {
  return new MillraceError(
    'served-read-mismatch',
    `read ${read.readId} of request "${read.requestId}", view "${read.view}" version ${read.version}: ${message}`,
    {
      remedy: 'Take the layout of the version that served it; the log holds reads of every version.',
      httpStatus: 409,
      details: { readId: read.readId, requestId: read.requestId, view: read.view, version: read.version },
    },
  );
}
