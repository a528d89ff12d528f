import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { namedValues } from '../../engine/online/named-values.ts';
import { ReadEncoder } from '../../engine/served/read-encoder.ts';
import { LoggedRead, ServedReadDecoder } from '../../engine/served/served-read.ts';
import { servedSource } from '../../engine/served/served-source.ts';
import { cellJson } from '../../engine/values/cell-json.ts';
import { carriedJson, carriedValue, jsonTree } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { parseJson } from '../../engine/values/parse-json.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { lawRuns } from './law-seed.ts';
import { carriedOf, compositeTypes } from './result-arbitraries.ts';

const source = servedSource('millrace.served');

function layoutOf(results: readonly ResultType[]): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'some_view',
    entity: 'some_entity',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: results.map((result, index) => ({
      name: `feature_${index}`,
      aggregate: 'last',
      slot: 0,
      windowUs: null,
      hopUs: null,
      result,
      nullable: true,
    })),
  };
}

/** The values that the serving log gives back, from the very bytes that are sent. */
function throughTheLog(layout: ViewLayout, values: readonly ScalarValue[]): readonly unknown[] {
  const { view, keys, features } = layout;
  const facts = { version: 3, fingerprint: 'ab', errors: null, found: true, asOfUs: 1, ahead: false, seq: 1 };
  const read = { view, keys, features, values, commitId: null, ...facts };
  const offered = { readId: 'r', requestId: 'q', service: null, key: ['k'], servedAtUs: 1, read };
  const decoded = source.contract.decodeJson(Buffer.from(new ReadEncoder().encode(offered)));
  if (!decoded.ok) throw new Error(decoded.reasons.join('; '));
  return new ServedReadDecoder(layout).values(new LoggedRead(decoded.row)).map(({ value }) => value);
}

const throughJson = (value: unknown): unknown => parseJson(JSON.stringify(value));

describe.each(compositeTypes.map((type) => [nameOfType(type), type] as const))('a %s', (_, type) => {
  it('comes back to the bit from TypeScript, JSON, reports and the serving log', () => {
    const layout = layoutOf([{ kind: 'int' }, type, type]);
    const name = namedValues(layout.features);
    fc.assert(
      fc.property(carriedOf(type), fc.option(carriedOf(type)), (value, other) => {
        const cells = [1, value, other];
        const named = name(cells);
        expect(named['feature_0']).toBe(1);
        expect([1, 2].map((at) => carriedValue(type)(named[`feature_${at}`]))).toEqual([value, other]);
        expect(carriedJson(type)(throughJson(jsonTree(type, value)))).toBe(value);
        const report = throughJson(cellJson(type, value));
        expect(carriedJson(type)(type.kind === 'map' ? (report as { map: unknown }).map : report)).toBe(value);
        expect(throughTheLog(layout, cells)).toEqual(cells);
      }),
      lawRuns(100),
    );
  });
});

it('a value of TypeScript cannot be changed, and has nothing of its own but its categories', () => {
  const layout = layoutOf([
    { kind: 'list', item: { kind: 'int' } },
    { kind: 'map', key: { kind: 'string' }, value: { kind: 'list', item: { kind: 'int' } } },
  ]);
  const { feature_0: list, feature_1: map } = namedValues(layout.features)(['[1]', '{"a":[2]}']) as {
    feature_0: number[];
    feature_1: Record<string, number[]>;
  };
  expect(map['toString']).toBeUndefined();
  for (const change of [() => list.push(2), () => map['a']?.push(1), () => (map['b'] = [1])])
    expect(change).toThrow(TypeError);
});
