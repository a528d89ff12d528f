import { type ResultType, isScalarType } from '../values/result-type.ts';
import { MAX_KEY_BYTES } from '../define/prepare.ts';
import { canFail, type ViewLayout } from '../define/view-layout.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { ReadEncoder } from './read-encoder.ts';
import { MAX_REQUEST_ID_CHARACTERS } from './request-id.ts';

/** What the key and the record of a read may have together to be logged: a batch of it has to stay below what brokers take (1 MiB). */
export const MOST_RECORD_BYTES = 900_000;

/** How much of a record a read of all features of a view takes at most, but for the texts among them, which are as long as they are. */
export interface RecordSize {
  readonly bytes: number;
  /** The features whose values have no bound. */
  readonly texts: readonly string[];
}

/** One character of a text as JSON within JSON: `\\u0001`. */
const WIDEST_CHARACTER = 7;
const LONGEST_NAME = 40;

/**
 * The size of a view's records in the serving log, of entities that can have a state; found by writing the largest.
 *
 * @example
 * recordSize(view.layout); // { bytes: 2411, texts: ['last_city'] }
 */
export function recordSize(layout: ViewLayout): RecordSize {
  const { keys, features, view } = layout;
  const text = new ReadEncoder().encode({
    readId: 'r'.repeat(LONGEST_NAME + 16),
    requestId: '\\'.repeat(MAX_REQUEST_ID_CHARACTERS),
    service: 's'.repeat(LONGEST_NAME),
    role: 'r'.repeat(LONGEST_NAME),
    key: keys.map(({ type }) => widest(type)),
    servedAtUs: 0,
    read: {
      view,
      version: Number.MAX_SAFE_INTEGER,
      fingerprint: 'f'.repeat(64),
      keys,
      features,
      values: features.map(({ result }) => widest(result)),
      errors: Object.fromEntries(features.filter(canFail).map(({ name }) => [name, 'value-out-of-range'])),
      found: false,
      asOfUs: 0,
      ahead: false,
      seq: Number.MAX_SAFE_INTEGER,
      commitId: String(-(2n ** 63n)),
    },
  });
  // The key of the record is the view's name and the entity's key; in its value the entity's texts stand once more.
  const ofTexts = MAX_KEY_BYTES * (1 + WIDEST_CHARACTER) + view.length + 1;
  return {
    bytes: Buffer.byteLength(text) + ofTexts,
    texts: features.filter(({ result }) => result.kind === 'string' || !isScalarType(result)).map(({ name }) => name),
  };
}

/** A value whose JSON is as long as any of its type; none of what has no bound. */
function widest(type: ResultType): ScalarValue {
  switch (type.kind) {
    case 'string':
    case 'list':
    case 'map':
      return '';
    case 'boolean':
      return false;
    case 'int':
      return Number.MIN_SAFE_INTEGER;
    case 'int64':
      return -(2n ** 63n);
    case 'double':
      return -2.2250738585072014e-308;
    case 'decimal':
      return `-${'9'.repeat(type.precision - type.scale)}0.${'9'.repeat(type.scale)}`;
    case 'timestamp':
      return 0;
    case 'date':
      return '2026-01-01';
    case 'enum':
      return type.values.reduce((longest, value) => (json(value) > json(longest) ? value : longest), '');
  }
}

function json(text: string): number {
  return JSON.stringify(JSON.stringify(text)).length;
}
