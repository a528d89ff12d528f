import { type ResultType, isScalarType } from '../values/result-type.ts';
import type { FeatureErrors } from '../values/feature-errors.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import type { OwnToLog } from './service-to-log.ts';

/** What of a read is logged; a `ViewRead` has it. */
export interface ReadToLog {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  /** The join keys, in layout order. */
  readonly keys: ViewLayout['keys'];
  /** The features of `values`, in their order. */
  readonly features: readonly FeatureLayout[];
  readonly values: readonly ScalarValue[];
  readonly errors: FeatureErrors | null;
  readonly found: boolean;
  readonly asOfUs: number;
  readonly ahead: boolean;
  readonly seq: number | null;
  /** A decimal number. */
  readonly commitId: string | null;
}

/** A read with what is known of it beside its answer. */
export interface OfferedRead {
  readonly readId: string;
  readonly requestId: string;
  readonly service: string | null;
  /** Of the view in that service. Default: it was read as itself. */
  readonly role?: string | null | undefined;
  /** Join key values in layout order. */
  readonly key: readonly ScalarValue[];
  readonly servedAtUs: number;
  readonly read: ReadToLog;
  /** Of a service's own record: what the caller gave. */
  readonly asked?: Asked | undefined;
}

/** What a service was asked with. */
export interface Asked {
  readonly request: Readonly<Record<string, unknown>>;
  /** The same object for all reads of a service: its texts are made once. */
  readonly of: Pick<OwnToLog, 'request' | 'types'>;
}

/** The text of a value inside a JSON text that stands inside a JSON string. */
type WriteValue = (value: ScalarValue) => string;

interface Template {
  /** From `"view"` to the first byte of the entity's text. */
  readonly head: string;
  readonly keyNames: readonly string[];
  readonly keyValues: readonly WriteValue[];
  readonly featureNames: readonly string[];
  readonly featureValues: readonly WriteValue[];
}

interface AskedTemplate {
  readonly names: readonly string[];
  readonly values: readonly WriteValue[];
  readonly tail: string;
}

/** JSON text of a string as it stands inside a JSON string, without the outer quotes. */
function nested(text: string): string {
  return JSON.stringify(JSON.stringify(text)).slice(1, -1);
}

function writerOf(type: ResultType): WriteValue {
  // Canonical texts are JSON already.
  if (!isScalarType(type)) return (value) => (value === null ? 'null' : JSON.stringify(value).slice(1, -1));
  switch (type.kind) {
    case 'boolean':
    case 'int':
    case 'double':
      // The shortest text that reads back to the same double, as JSON.stringify gives it.
      return (value) => String(value);
    case 'int64':
    case 'decimal':
    case 'date':
      return (value) => (value === null ? 'null' : `\\"${String(value)}\\"`);
    case 'timestamp':
      return (value) => (value === null ? 'null' : `\\"${formatDateTime(value as number)}\\"`);
    case 'string':
    case 'enum':
      return (value) => (value === null ? 'null' : nested(value as string));
  }
}

function name(text: string, index: number): string {
  return `${index === 0 ? '' : ','}${nested(text)}:`;
}

function askedTemplate({ request, types }: Asked['of']): AskedTemplate {
  return {
    names: request.map((field, index) => name(field.name, index)),
    values: request.map(({ type }) => writerOf(type)),
    tail: `}","types":${JSON.stringify(types)}`,
  };
}

function templateOf(read: ReadToLog): Template {
  return {
    head: `,"view":${JSON.stringify(read.view)},"version":${read.version},"fingerprint":${JSON.stringify(read.fingerprint)},"entity":"{`,
    keyNames: read.keys.map((key, index) => name(key.name, index)),
    keyValues: read.keys.map((key) => writerOf(key.type)),
    featureNames: read.features.map((feature, index) => name(feature.name, index)),
    featureValues: read.features.map((feature) => writerOf(feature.result)),
  };
}

/**
 * Writes reads as records of the serving log. What depends on view, version and features alone is written once per set of features:
 * the store gives every read of one the same array.
 */
export class ReadEncoder {
  readonly #templates = new WeakMap<readonly FeatureLayout[], Template & { readonly of: ReadToLog }>();
  readonly #asked = new WeakMap<Asked['of'], AskedTemplate>();
  #lastUs = Number.NaN;
  #lastText = '';

  /** The JSON text of one record. */
  encode({ readId, requestId, service, role = null, key, servedAtUs, read, asked }: OfferedRead): string {
    const template = this.#templateOf(read);
    const { keyNames, keyValues, featureNames, featureValues } = template;
    let text =
      `{"read_id":${JSON.stringify(readId)},"request_id":${JSON.stringify(requestId)},` +
      `"service":${service === null ? 'null' : JSON.stringify(service)}` +
      `${role === null ? '' : `,"role":${JSON.stringify(role)}`}${template.head}`;
    for (let index = 0; index < keyNames.length; index++) text += keyNames[index]! + keyValues[index]!(key[index]!);
    text +=
      `}","served_at":"${this.#time(servedAtUs)}","as_of":"${this.#time(read.asOfUs)}",` +
      `"found":${read.found},"ahead":${read.ahead},"seq":${read.seq},"commit_id":${read.commitId === null ? 'null' : `"${read.commitId}"`},"values":"{`;
    const { values } = read;
    for (let index = 0; index < featureNames.length; index++) {
      text += featureNames[index]! + featureValues[index]!(values[index]!);
    }
    // Mostly there are none: only then is anything spent on them.
    const errors = read.errors === null ? 'null' : JSON.stringify(JSON.stringify(read.errors));
    return `${text}}","errors":${errors}${asked === undefined ? '' : this.#askedText(asked)}}`;
  }

  #askedText({ request, of }: Asked): string {
    let template = this.#asked.get(of);
    if (template === undefined) this.#asked.set(of, (template = askedTemplate(of)));
    let text = ',"request":"{';
    for (let index = 0; index < template.names.length; index++)
      text +=
        template.names[index]! + template.values[index]!((request[of.request[index]!.name] ?? null) as ScalarValue);
    return text + template.tail;
  }

  #templateOf(read: ReadToLog): Template {
    const known = this.#templates.get(read.features);
    if (known !== undefined) {
      const { view, version, fingerprint, keys } = known.of;
      if (view === read.view && version === read.version && fingerprint === read.fingerprint && keys === read.keys) {
        return known;
      }
    }
    const made = { ...templateOf(read), of: read };
    this.#templates.set(read.features, made);
    return made;
  }

  /** The reads of one request have one time, and mostly it is also the one they were served at. */
  #time(epochUs: number): string {
    if (epochUs !== this.#lastUs) {
      this.#lastUs = epochUs;
      this.#lastText = formatDateTime(epochUs);
    }
    return this.#lastText;
  }
}
