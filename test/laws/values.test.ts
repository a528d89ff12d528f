import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../engine/reduce/byte-reader.ts';
import { ByteWriter } from '../../engine/reduce/byte-writer.ts';
import { comparisonOf } from '../../engine/reduce/compare.ts';
import { decimalOfScaled, scaledOfDecimal } from '../../engine/reduce/decimal-text.ts';
import { canonicalBytes, optionalValueCodec } from '../../engine/reduce/value-codec.ts';
import { scalarTypes, typeName, valuesOf } from './arbitraries.ts';
import { lawRuns } from './law-seed.ts';

const written = (write: (writer: ByteWriter) => void): ByteReader => {
  const writer = new ByteWriter();
  write(writer);
  return new ByteReader(writer.take(), 0);
};

for (const type of scalarTypes) {
  describe(typeName(type), () => {
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
          const bytes = Buffer.from(bigWriter.take());
          if (value >= -(2n ** 53n) + 1n && value <= 2n ** 53n - 1n) {
            const writer = new ByteWriter();
            writer[form](Number(value));
            expect(Buffer.from(writer.take()).toString('hex')).toBe(bytes.toString('hex'));
          }
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
          expect(bytes.toString('hex')).toBe(Buffer.from(plain).toString('hex'));
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
