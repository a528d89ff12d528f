import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ScalarType } from '../../engine/values/field-type.ts';
import { ByteReader } from '../../engine/reduce/byte-reader.ts';
import { ByteWriter } from '../../engine/reduce/byte-writer.ts';
import { comparisonOf } from '../../engine/values/compare.ts';
import { decimalOfScaled, scaledOfDecimal } from '../../engine/values/decimal-text.ts';
import { canonicalBytes, optionalValueCodec } from '../../engine/reduce/value-codec.ts';
import { scalarTypes, typeName, valuesOf } from './arbitraries.ts';
import { hex } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';

const written = (write: (writer: ByteWriter) => void): ByteReader => {
  const writer = new ByteWriter();
  write(writer);
  return new ByteReader(writer.take(), 0);
};

for (const type of scalarTypes) {
  describe(`values of ${typeName(type)}`, () => {
    const values = valuesOf(type);

    test('canonical bytes sort as the values do', () => {
      const compare = comparisonOf(type);
      fc.assert(
        fc.property(values, values, (a, b) => {
          const byBytes = Math.sign(Buffer.compare(canonicalBytes(type, a), canonicalBytes(type, b)));
          expect(Math.sign(compare(a, b))).toBe(byBytes);
          expect(byBytes === 0).toBe(Object.is(a, b));
        }),
        lawRuns(1000),
      );
    });

    test('a value survives its compact form, and none has none', () => {
      const codec = optionalValueCodec(type);
      fc.assert(
        fc.property(fc.option(values), (value) => {
          const reader = written((writer) => codec.write(writer, value));
          expect(Object.is(codec.read(reader), value)).toBe(true);
          expect(reader.remaining).toBe(0);
        }),
        lawRuns(1000),
      );
    });
  });
}

describe('numbers of any size', () => {
  const integers = fc.oneof(
    fc.bigInt({ min: -(2n ** 2200n), max: 2n ** 2200n }),
    fc
      .tuple(fc.integer({ min: 0, max: 130 }), fc.integer({ min: -2, max: 2 }), fc.boolean())
      .map(([bits, step, negative]) => (2n ** BigInt(bits) + BigInt(step)) * (negative ? -1n : 1n)),
  );

  test('a number and a bigint of one value have the same bytes and come back', () => {
    fc.assert(
      fc.property(integers, (value) => {
        for (const form of ['signed', 'signedOrNone'] as const) {
          const bigWriter = new ByteWriter();
          bigWriter[form](value);
          const bytes = bigWriter.take();
          const narrowWriter = new ByteWriter();
          narrowWriter[form](Number.isSafeInteger(Number(value)) ? Number(value) : value);
          expect(hex(narrowWriter.take())).toBe(hex(bytes));
          const back = new ByteReader(bytes, 0)[form]()!;
          expect(typeof back).toBe(Number.isSafeInteger(Number(value)) ? 'number' : 'bigint');
          expect(BigInt(back)).toBe(value);
          // LEB128 of the zigzag, the plain way.
          let zigzag = (value >= 0n ? 2n * value : -2n * value - 1n) + (form === 'signed' ? 0n : 1n);
          const plain: number[] = [];
          do {
            plain.push(Number(zigzag & 127n) | (zigzag > 127n ? 128 : 0));
            zigzag >>= 7n;
          } while (zigzag > 0n);
          expect(hex(bytes)).toBe(hex(Uint8Array.from(plain)));
        }
      }),
      lawRuns(2000),
    );
  });

  test('unsigned safe integers come back', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 49, 2 ** 53 - 1)),
        (value) => {
          expect(written((writer) => writer.unsigned(value)).unsigned()).toBe(value);
        },
      ),
      lawRuns(1000),
    );
  });

  test('texts longer than the buffer come back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), fc.integer({ min: 1, max: 200 }), (unit, times) => {
        const text = unit.repeat(times);
        const reader = written((writer) => writer.text(text, 0));
        expect(reader.text(reader.unsigned())).toBe(text);
      }),
      lawRuns(200),
    );
  });

  test('decimals scale and come back', () => {
    fc.assert(
      fc.property(integers, fc.nat(38), (scaled, scale) => {
        expect(BigInt(scaledOfDecimal(decimalOfScaled(scaled, scale)))).toBe(scaled);
      }),
      lawRuns(500),
    );
    expect(decimalOfScaled(-50, 2)).toBe('-0.50');
    expect(decimalOfScaled(0, 2)).toBe('0.00');
    expect(Object.is(scaledOfDecimal('0.00'), 0)).toBe(true);
  });
});

describe('compact values beyond their type', () => {
  const cases: [string, ScalarType, number | bigint, number | bigint][] = [
    ['int', { kind: 'int' }, Number.MAX_SAFE_INTEGER, 2n ** 53n],
    ['int64', { kind: 'int64' }, 2n ** 63n - 1n, 2n ** 63n],
    ['int64 below', { kind: 'int64' }, -(2n ** 63n), -(2n ** 63n) - 1n],
    ['decimal', { kind: 'decimal', precision: 12, scale: 2 }, 10 ** 12 - 1, 10 ** 12],
    ['decimal below', { kind: 'decimal', precision: 12, scale: 2 }, 1 - 10 ** 12, -(10 ** 12)],
    ['date', { kind: 'date' }, 2_932_896, 2_932_897],
    ['date below', { kind: 'date' }, -719_528, -719_529],
  ];
  test.each(cases)('%s is refused from the first value on that its type does not have', (_, type, last, first) => {
    const codec = optionalValueCodec(type);
    expect(codec.read(written((writer) => writer.signedOrNone(last)))).not.toBeNull();
    expect(() => codec.read(written((writer) => writer.signedOrNone(first)))).toThrow(/malformed/);
  });
});
