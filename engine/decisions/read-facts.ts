import type { FeatureErrors } from '../values/feature-errors.ts';
import { elementText } from '../values/composite-text.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ResultType } from '../values/result-type.ts';

/** A field whose value is carried: a join key, a feature, what a request asks for. */
interface Carried {
  readonly name: string;
  readonly type: ResultType;
}

/** What a read gave, as a decision carries it; a `ViewRead` has it. */
export interface ReadGiven {
  readonly view: string;
  readonly version: number;
  /** The join keys, in layout order. */
  readonly keys: readonly { readonly name: string; readonly type: ScalarType }[];
  /** The features of `values`, in their order. */
  readonly features: readonly { readonly name: string; readonly result: ResultType }[];
  /** Feature to tag; null: of a version from before there were tags. */
  readonly tags: Readonly<Record<string, string | null>> | null;
  readonly values: readonly ScalarValue[];
  readonly errors: FeatureErrors | null;
  readonly asOfUs: number;
  readonly seq: number | null;
}

/** What was given to a caller, and what for. */
export interface ReadFacts {
  readonly requestId: string;
  /** A view, a role of one, or the service itself. */
  readonly block: string;
  readonly service: string | null;
  /** Join key values, in the order of `read.keys`. */
  readonly key: readonly ScalarValue[];
  readonly read: ReadGiven;
  /** Of the service itself: what it was asked with. */
  readonly asked?:
    | {
        readonly request: Readonly<Record<string, unknown>>;
        readonly of: {
          readonly request: readonly { readonly name: string; readonly type: ScalarType }[];
          readonly types: string;
        };
      }
    | undefined;
}

type WriteNamed = (values: readonly ScalarValue[]) => string;

const written = new WeakMap<readonly object[], WriteNamed>();

/** What writes values as a JSON text of name and value, as HTTP has them; made once per list of fields. */
function namedText<Field extends object>(fields: readonly Field[], carriedOf: (field: Field) => Carried): WriteNamed {
  let write = written.get(fields);
  if (write !== undefined) return write;
  const parts = fields.map(carriedOf).map(({ name, type }, index) => {
    return { head: `${index === 0 ? '' : ','}${JSON.stringify(name)}:`, text: elementText(type) };
  });
  write = (values) => {
    let text = '{';
    for (const [index, part] of parts.entries()) text += part.head + part.text(values[index] ?? null);
    return `${text}}`;
  };
  written.set(fields, write);
  return write;
}

const sameType = (field: { readonly name: string; readonly type: ResultType }): Carried => field;
const resultType = ({ name, result }: ReadGiven['features'][number]): Carried => ({ name, type: result });

const tagTexts = new WeakMap<ReadGiven['features'], { readonly of: ReadGiven['tags']; readonly text: string }>();

/** The tags of the features that were read. */
function tagsText({ features, tags }: ReadGiven): string {
  const known = tagTexts.get(features);
  if (known !== undefined && known.of === tags) return known.text;
  const text = JSON.stringify(Object.fromEntries(features.map(({ name }) => [name, tags?.[name] ?? null])));
  tagTexts.set(features, { of: tags, text });
  return text;
}

/** A read as a record of a decision has it, in JSON. */
export function decisionRead({ requestId, block, service, key, read, asked }: ReadFacts): object {
  const own =
    asked === undefined
      ? {}
      : {
          request: namedText(
            asked.of.request,
            sameType,
          )(asked.of.request.map(({ name }) => (asked.request[name] ?? null) as ScalarValue)),
          types: asked.of.types,
        };
  return {
    request_id: requestId,
    block,
    view: read.view,
    service,
    version: read.version,
    seq: read.seq,
    as_of: formatDateTime(read.asOfUs),
    tags: tagsText(read),
    keys: namedText(read.keys, sameType)(key),
    values: namedText(read.features, resultType)(read.values),
    errors: read.errors === null ? null : JSON.stringify(read.errors),
    ...own,
  };
}
