import { type ResultType, isScalarType } from '../values/result-type.ts';
import { MAX_KEY_BYTES } from '../define/prepare.ts';
import { canFail, type FeatureLayout, type ViewLayout } from '../define/view-layout.ts';
import { carriedJson, listText, mapText } from '../values/composite-text.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { ReadEncoder } from './read-encoder.ts';
import { MAX_REQUEST_ID_CHARACTERS } from './request-id.ts';

/** How much of a record a read of all features of a view takes at most, but for what has no bound: texts, and lists and maps of them. */
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
  const values = features.map((feature) => widestRead(layout, feature));
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
      values,
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
    texts: features.filter((_, index) => values[index] === null).map(({ name }) => name),
  };
}

/** How many elements a feature's list, and its map by category, have at most; null: nobody knows. */
interface Elements {
  readonly list: number | null;
  readonly map: number | null;
}

/** A value whose JSON is as long as any that a feature can have; null where it has no bound. */
function widestRead({ slots }: ViewLayout, { slot, result, quantiles, default: fill }: FeatureLayout): ScalarValue {
  const { size, by } = slots[slot] ?? {};
  const text = widestOf(result, { list: size ?? quantiles?.length ?? null, map: by?.limit ?? null });
  if (text === null || fill === undefined) return text;
  const other = carriedJson(result)(fill) ?? null;
  return json(String(other)) > json(String(text)) ? other : text;
}

function widestOf(type: ResultType, elements: Elements): ScalarValue {
  if (type.kind === 'string') return null;
  if (isScalarType(type)) return widest(type);
  if (type.kind === 'list') {
    const item = widestOf(type.item, elements);
    return elements.list === null || item === null
      ? null
      : listText(type)(Array.from({ length: elements.list }, () => item));
  }
  // A map within one by category is of what it counts.
  const [key, value] = [widestOf(type.key, elements), widestOf(type.value, { ...elements, map: null })];
  if (elements.map === null || key === null || value === null) return null;
  const each = { length: elements.map };
  return mapText(type)(
    Array.from(each, () => key),
    Array.from(each, () => value),
  );
}

/** A value whose JSON is as long as any of its type; of texts none. */
function widest(type: ScalarType): ScalarValue {
  switch (type.kind) {
    case 'string':
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
