import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_KEY_BYTES } from '../../engine/define/prepare.ts';
import { keyText } from '../../engine/define/key-text.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { ReadEncoder } from '../../engine/served/read-encoder.ts';
import { recordSize } from '../../engine/served/record-size.ts';
import { readKeyText } from '../../engine/served/sampled.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { scalarTypes, valuesOf } from '../laws/arbitraries.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { carriedOf, compositeTypes } from '../laws/result-arbitraries.ts';

function layoutOf(keys: readonly ScalarType[], features: readonly ResultType[]): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'some_view',
    entity: 'some_entity',
    keys: keys.map((type, index) => ({ name: `key_${index}`, type })),
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: features.map((result, index) => ({
      name: `feature_${index}`,
      aggregate: index % 2 === 0 ? ('sum' as const) : ('last' as const),
      slot: 0,
      windowUs: null,
      hopUs: null,
      result,
      nullable: true,
    })),
  };
}

const typed = fc.constantFrom(...scalarTypes).chain((type) => valuesOf(type).map((value) => ({ type, value })));
const bytesOf = (text: string): number => Buffer.byteLength(JSON.stringify(JSON.stringify(text)));

test('no read weighs more in the log than plan says, but for its texts', () => {
  fc.assert(
    fc.property(
      fc.array(typed, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(typed, fc.boolean()), { maxLength: 12 }),
      (keys, cells) => {
        const key = keys.map(({ value }) => value);
        fc.pre(Buffer.byteLength(keyText(key)) <= MAX_KEY_BYTES);
        const layout = layoutOf(
          keys.map(({ type }) => type),
          cells.map(([{ type }]) => type),
        );
        // A feature has a value or an error, and what can have one is a sum.
        const failed = cells.map(([, fails], index) => fails && index % 2 === 0);
        const names = layout.features.flatMap(({ name }, index) => (failed[index] ? [name] : []));
        const text = new ReadEncoder().encode({
          readId: '3b241101-e2bb-4255-8caf-4136c566a962-zzzzzzzz',
          requestId: '"'.repeat(128),
          service: 's'.repeat(40),
          key,
          servedAtUs: 0,
          read: {
            view: layout.view,
            version: 12,
            fingerprint: 'f'.repeat(64),
            keys: layout.keys,
            features: layout.features,
            values: cells.map(([{ value }], index) => (failed[index] ? null : value)),
            errors: names.length === 0 ? null : Object.fromEntries(names.map((name) => [name, 'value-out-of-range'])),
            found: true,
            asOfUs: 1,
            ahead: true,
            seq: 7,
            commitId: String(-(2n ** 63n)),
          },
        });
        const texts = cells.reduce(
          (sum, [{ type, value }], index) =>
            sum + (type.kind === 'string' && !failed[index] ? bytesOf(String(value)) : 0),
          0,
        );
        const size = recordSize(layout);
        const weight = Buffer.byteLength(text) + Buffer.byteLength(readKeyText(layout.view, keyText(key)));
        expect(weight - texts).toBeLessThanOrEqual(size.bytes);
        expect(size.texts).toEqual(
          layout.features.filter(({ result }) => result.kind === 'string').map(({ name }) => name),
        );
      },
    ),
    lawRuns(500),
  );
});

test('1,590 features of numbers with the longest names are logged', () => {
  const decimal = { kind: 'decimal', precision: 38, scale: 10 } as const;
  const { features, ...rest } = layoutOf(
    [{ kind: 'string' }],
    Array.from({ length: 1_590 }, () => decimal),
  );
  const named = features.map((feature, index) => ({ ...feature, name: `${feature.name}_`.padEnd(36, 'x') + index }));
  expect(recordSize({ ...rest, features: named }).bytes).toBeLessThan(900_000);
});

test.each(compositeTypes.map((type) => [nameOfType(type), type] as const))(
  'a %s weighs no more than its slot allows, unless it has texts',
  (_, type) => {
    const { features, ...rest } = layoutOf([{ kind: 'int' }], [type]);
    const held = { partial: 'lastN', input: null, group: 0, size: 6, by: { type: { kind: 'int' }, limit: 6 } } as const;
    const layout: ViewLayout = { ...rest, features, slots: [held] };
    const { bytes, texts } = recordSize(layout);
    const isOfTexts = /string|map .* to map/.test(nameOfType(type));
    expect(texts).toEqual(isOfTexts ? ['feature_0'] : []);
    if (isOfTexts) return;
    fc.assert(
      fc.property(carriedOf(type), (value) => {
        const { view, keys } = layout;
        const facts = { version: 12, fingerprint: 'f'.repeat(64), errors: null, found: true, asOfUs: 1, ahead: true };
        const read = { view, keys, features, values: [value], seq: 7, commitId: String(-(2n ** 63n)), ...facts };
        const readId = '3b241101-e2bb-4255-8caf-4136c566a962-zzzzzzzz';
        const offered = { readId, requestId: '"'.repeat(128), service: 's'.repeat(40), key: [1], servedAtUs: 0, read };
        expect(Buffer.byteLength(new ReadEncoder().encode(offered))).toBeLessThanOrEqual(bytes);
      }),
      lawRuns(100),
    );
    // Tight: a list that may have one element less is a smaller record.
    const fewer = { ...layout, slots: [{ ...held, size: 5, by: { ...held.by, limit: 5 } }] };
    expect(recordSize(fewer).bytes).toBeLessThan(bytes);
    const filled = { ...layout, features: [{ ...features[0]!, default: type.kind === 'list' ? [] : {} }] };
    expect(recordSize(filled)).toEqual({ bytes, texts });
  },
);
