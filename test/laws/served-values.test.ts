import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cell, CellError, STATE_CORRUPT, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';
import { ALL_CORRUPT, splitCells } from '../../engine/values/feature-errors.ts';
import { jsonValue } from '../../engine/values/json-values.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { ENGINE_SEMANTICS, type FeatureLayout, type ViewLayout } from '../../engine/define/view-layout.ts';
import { type OfferedRead, ReadEncoder } from '../../engine/served/read-encoder.ts';
import { LoggedRead, ServedReadDecoder } from '../../engine/served/served-read.ts';
import { servedSource } from '../../engine/served/served-source.ts';
import { scalarTypes, typeName, valuesOf } from './arbitraries.ts';
import { lawRuns } from './law-seed.ts';

const source = servedSource('millrace.served');

function layoutOf(keys: readonly ScalarType[], features: readonly ScalarType[]): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'some_view',
    entity: 'some_entity',
    keys: keys.map((type, index) => ({ name: `key_${index}`, type })),
    tieBreak: 'id',
    groups: [],
    slots: [],
    features: features.map((result, index): FeatureLayout => {
      return {
        name: `feature_${index}`,
        aggregate: 'last',
        slot: 0,
        windowUs: null,
        hopUs: null,
        result,
        nullable: true,
      };
    }),
  };
}

/** What the log gives back of a read, through its contract, from the very bytes that are sent. */
function throughTheLog(offered: OfferedRead): LoggedRead {
  const bytes = Buffer.from(new ReadEncoder().encode(offered));
  const decoded = source.contract.decodeJson(bytes);
  if (!decoded.ok) throw new Error(decoded.reasons.join('; '));
  return new LoggedRead(decoded.row);
}

function offeredRead(
  layout: ViewLayout,
  key: readonly ScalarValue[],
  values: readonly ScalarValue[],
  more: Partial<OfferedRead['read']> = {},
): OfferedRead {
  const read = {
    view: layout.view,
    version: 3,
    fingerprint: 'ab12',
    keys: layout.keys,
    features: layout.features,
    values,
    errors: null,
    found: true,
    asOfUs: 0,
    ahead: false,
    seq: 7,
    commitId: '-9223372036854775808',
    ...more,
  };
  return { readId: 'log-1', requestId: 'request-1', service: null, key, servedAtUs: 0, read };
}

for (const type of scalarTypes) {
  test(`a ${typeName(type)} that was served is logged to the bit, as value and as join key`, () => {
    const layout = layoutOf([type, { kind: 'string' }], [type, type, { kind: 'int' }]);
    const decoder = new ServedReadDecoder(layout);
    const value = valuesOf(type);
    fc.assert(
      fc.property(value, fc.option(value), value, fc.string({ unit: 'binary' }), (a, b, k, text) => {
        const served = throughTheLog(offeredRead(layout, [k, text], [a, b, 1]));
        const values = decoder.values(served);
        expect(values.map(({ index }) => index)).toEqual([0, 1, 2]);
        expect([a, b, 1].every((one, index) => Object.is(values[index]!.value, one))).toBe(true);
        const entity = decoder.entity(served);
        expect([k, text].every((one, index) => Object.is(entity[index], one))).toBe(true);
        // The text is the one HTTP answers with.
        expect(served.valuesJson).toBe(
          JSON.stringify({ feature_0: jsonValue(type, a), feature_1: jsonValue(type, b), feature_2: 1 }),
        );
        expect(served.entityJson).toBe(JSON.stringify({ key_0: jsonValue(type, k), key_1: text }));
      }),
      lawRuns(500),
    );
  });
}

test('what is known of a read beside its values survives, at any time', () => {
  const layout = layoutOf([{ kind: 'string' }], []);
  const time = fc.maxSafeInteger();
  fc.assert(
    fc.property(
      fc.record({
        readId: fc.string({ minLength: 1 }),
        requestId: fc.string({ minLength: 1 }),
        service: fc.option(fc.string()),
        role: fc.option(fc.string({ minLength: 1 })),
        servedAtUs: time,
        asOfUs: time,
        found: fc.boolean(),
        ahead: fc.boolean(),
        seq: fc.option(fc.nat()),
        commitId: fc.option(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
      }),
      ({ readId, requestId, service, role, servedAtUs, asOfUs, found, ahead, seq, commitId }) => {
        const commit = commitId === null ? null : String(commitId);
        const { read } = offeredRead(layout, ['k'], [], { asOfUs, found, ahead, seq, commitId: commit });
        const served = throughTheLog({ readId, requestId, service, role, key: ['k'], servedAtUs, read });
        expect(Object.fromEntries(Object.entries(served))).toEqual({
          readId,
          requestId,
          service,
          role,
          view: 'some_view',
          version: 3,
          fingerprint: 'ab12',
          entityJson: '{"key_0":"k"}',
          servedAtUs,
          asOfUs,
          found,
          ahead,
          seq,
          commitId,
          valuesJson: '{}',
          errorsJson: null,
          requestJson: null,
          typesJson: null,
        });
      },
    ),
    lawRuns(500),
  );
});

describe('errors that were served', () => {
  const layout = layoutOf([{ kind: 'string' }], [{ kind: 'int64' }, { kind: 'string' }, { kind: 'double' }]);
  const decoder = new ServedReadDecoder(layout);
  const cellsOf = (read: LoggedRead): Cell[] => decoder.values(read).map(({ value }) => value);

  test('are logged beside the values, and come back in their places', () => {
    const cell = (type: ScalarType): fc.Arbitrary<Cell> =>
      fc.oneof(valuesOf(type), fc.constantFrom<Cell>(null, VALUE_OUT_OF_RANGE));
    const cells = fc.tuple(cell({ kind: 'int64' }), cell({ kind: 'string' }), cell({ kind: 'double' }));
    fc.assert(
      fc.property(cells, (given) => {
        const { values, errors } = splitCells(layout.features, [...given]);
        const served = throughTheLog(offeredRead(layout, ['k'], values, { errors }));
        expect(cellsOf(served)).toEqual(given);
        expect(cellsOf(served).every((one, index) => Object.is(one, given[index]))).toBe(true);
        expect(served.errorsJson).toBe(errors === null ? null : JSON.stringify(errors));
      }),
      lawRuns(500),
    );
  });

  test('are of every feature where the state was corrupt', () => {
    const served = throughTheLog(offeredRead(layout, ['k'], [null, null, null], { errors: ALL_CORRUPT }));
    expect(served.errorsJson).toBe('{"*":"state-corrupt"}');
    expect(cellsOf(served)).toEqual([STATE_CORRUPT, STATE_CORRUPT, STATE_CORRUPT]);
  });

  test('are none in a record from before there were any', () => {
    const text = new ReadEncoder().encode(offeredRead(layout, ['k'], [1n, 'a', 0.5]));
    const { errors, ...older } = JSON.parse(text) as Record<string, unknown>;
    expect(errors).toBe(null);
    const decoded = source.contract.decodeJson(Buffer.from(JSON.stringify(older)));
    if (!decoded.ok) throw new Error(decoded.reasons.join('; '));
    const served = new LoggedRead(decoded.row);
    expect(served.errorsJson).toBe(null);
    expect(cellsOf(served)).toEqual([1n, 'a', 0.5]);
  });

  test('are refused by name where they are unknown, or stand beside a value', () => {
    for (const [values, errors] of [
      [[null, 'a', 1], { feature_0: 'quantum-flux' }],
      [[1n, 'a', 1], { feature_0: 'value-out-of-range' }],
    ] as const) {
      const read = offeredRead(layout, ['k'], values, { errors: errors as never });
      expect(() => decoder.values(throughTheLog(read))).toThrow(
        expect.objectContaining({ code: 'served-read-mismatch' }),
      );
    }
  });
});

test('there is one error per code', () => {
  for (const error of [VALUE_OUT_OF_RANGE, STATE_CORRUPT]) expect(CellError.of(error.code)).toBe(error);
  expect(CellError.of('nothing')).toBe(undefined);
});

describe('a read of another definition', () => {
  const layout = layoutOf([{ kind: 'int64' }], [{ kind: 'int' }]);
  const served = throughTheLog(offeredRead(layout, [5n], [1]));

  test('is refused by name, never misread', () => {
    const cases: [ViewLayout, 'entity' | 'values', RegExp][] = [
      [layoutOf([{ kind: 'int64' }], []), 'values', /no feature "feature_0"/],
      [layoutOf([{ kind: 'int64' }], [{ kind: 'string' }]), 'values', /expected string, received 1/],
      [layoutOf([{ kind: 'int64' }, { kind: 'int' }], []), 'entity', /expected the join keys key_0, key_1/],
      [layoutOf([{ kind: 'date' }], []), 'entity', /"key_0" is no date/],
    ];
    for (const [other, what, message] of cases) {
      const fault = expect.objectContaining({
        code: 'served-read-mismatch',
        message: expect.stringMatching(message) as string,
      });
      expect(() => new ServedReadDecoder(other)[what](served)).toThrow(fault);
    }
  });

  test('is refused where what it holds is no JSON object', () => {
    for (const text of ['', '[1]', 'null', '{"a"']) {
      const broken = new LoggedRead({ read_id: '1', request_id: 'r', view: 'v', entity: text, values: text });
      const decoder = new ServedReadDecoder(layout);
      expect(() => decoder.values(broken)).toThrow(expect.objectContaining({ code: 'served-read-mismatch' }));
      expect(() => decoder.entity(broken)).toThrow(expect.objectContaining({ code: 'served-read-mismatch' }));
      expect(() => broken.features).toThrow(expect.objectContaining({ code: 'served-read-mismatch' }));
    }
  });
});
