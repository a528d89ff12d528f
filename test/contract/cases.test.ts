/** Situations that people met elsewhere, and their neighbours, as far as a contract decides them. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { keyOf } from '../../cli/entity-arguments.ts';
import { topicGuard } from '../../engine/admission/time-guard.ts';
import { compileContract } from '../../engine/contract/compile-contract.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import { epoch } from '../../engine/contract/epoch.ts';
import { orderSource } from '../log/orders.ts';

type Outcome = readonly [unknown] | string;

function field(schema: z.ZodType, finerThanMicros?: 'truncate') {
  const contract = compileContract(z.object({ x: schema }), { finerThanMicros });
  const through =
    (decode: (raw: unknown, reasons: string[]) => unknown) =>
    (raw: unknown): Outcome => {
      const reasons: string[] = [];
      const value = decode(raw, reasons);
      return reasons.length === 0 ? [value] : reasons.join('\n');
    };
  return {
    json: (json: string): Outcome => {
      const decoded = contract.decodeJson(`{"x":${json}}`);
      return decoded.ok ? [decoded.row['x']] : decoded.reasons.join('\n');
    },
    column: (type: string) => through(contract.columnDecoder('x', type)),
    text: through(contract.textDecoder('x')),
    refused: (type: string): unknown => {
      try {
        contract.columnDecoder('x', type);
      } catch (error) {
        return error;
      }
      return null;
    },
  };
}

describe('numbers whose width differs between files', () => {
  test('an integer is one as BIGINT, DOUBLE, FLOAT or DECIMAL where whole and exact, and null anywhere', () => {
    const count = field(z.int().nullable());
    expect(count.column('BIGINT')(1n)).toEqual([1]);
    expect(count.column('DOUBLE')(2)).toEqual([2]);
    expect(count.column('FLOAT')(3)).toEqual([3]);
    expect(count.column('UTINYINT')(4)).toEqual([4]);
    expect(count.column('DECIMAL(18,3)')(5000n)).toEqual([5]);
    for (const type of ['BIGINT', 'DOUBLE', 'FLOAT', 'DECIMAL(18,3)']) expect(count.column(type)(null)).toEqual([null]);
    expect(count.column('DOUBLE')(2.5)).toBe('x: expected an integer, received 2.5');
    expect(count.column('DECIMAL(18,3)')(5001n)).toBe('x: expected an integer, received 5.001');
    expect(count.column('DOUBLE')(2 ** 53)).toContain('beyond 2^53');
    expect(count.column('FLOAT')(2 ** 24)).toContain('expected an integer');
  });
});

describe('32-bit floats', () => {
  test('FLOAT and JSON cannot agree on z.number(), and plan says so', () => {
    expect(field(z.number()).refused('FLOAT')).toMatchObject({
      code: 'column-type-mismatch',
      remedy: expect.stringContaining('z.float32()'),
    });
  });

  test('z.float32() is the same double at every door', () => {
    const x = field(z.float32());
    const double = Math.fround(1.111);
    expect(x.json('1.111')).toEqual([double]);
    expect(x.text('1.111')).toEqual([double]);
    expect(x.column('FLOAT')(double)).toEqual([double]);
    expect(x.column('DOUBLE')(1.111)).toEqual([double]);
    expect(x.column('DECIMAL(10,3)')(1111n)).toEqual([double]);
    for (const refused of ['1e39', '-1e39', 'NaN', '1e999'])
      expect(x.json(refused)).toContain('expected a 32-bit number');
    // The greatest float, as it is and as writers of floats print it, which zod takes no more; then the first double that rounds to none.
    for (const greatest of ['3.4028234663852886e38', '3.4028235e38', '3.4028235677973362e38']) {
      expect(x.json(greatest)).toEqual([3.4028234663852886e38]);
      expect(x.text(`-${greatest}`)).toEqual([-3.4028234663852886e38]);
    }
    expect(x.json('3.4028235677973366e38')).toContain('expected a 32-bit number');
  });

  test('its checks hold the rounded value', () => {
    const x = field(z.float32().max(0.1));
    expect(x.json('0.1')).toBe('x: expected a 32-bit number of at most 0.1, received 0.1');
    expect(x.column('FLOAT')(Math.fround(0.1))).toBe('x: expected a 32-bit number of at most 0.1, received 0.1');
  });
});

describe('times finer than a microsecond', () => {
  const nanos = 1_730_615_400_123_456_789n;
  test('one rule for every encoding: zero digits pass, others are refused with the way out', () => {
    const x = field(z.iso.datetime());
    const ns = field(epoch('ns'));
    expect(x.json('"2024-11-03T06:30:00.123456000Z"')).toEqual([1_730_615_400_123_456]);
    expect(x.column('TIMESTAMPTZ_NS')(nanos - 789n)).toEqual([1_730_615_400_123_456]);
    expect(ns.json('"1730615400123456000"')).toEqual([1_730_615_400_123_456]);
    for (const refused of [
      x.json('"2024-11-03T06:30:00.123456789Z"'),
      x.text('2024-11-03 06:30:00.123456789Z'),
      x.column('TIMESTAMPTZ_NS')(nanos),
      ns.json('"1730615400123456789"'),
      ns.column('BIGINT')(nanos),
      ns.text('1730615400123456789'),
    ]) {
      expect(refused).toMatch(/^x: expected .*no finer than a microsecond.*finerThanMicros: 'truncate'$/);
    }
    expect(x.column('TIMESTAMPTZ_NS')(nanos)).toContain('received 2024-11-03T06:30:00.123456789Z;');
    expect(x.refused('TIMESTAMP_NS')).toMatchObject({ remedy: expect.stringContaining('local: true') });
  });

  test('cut on demand, towards the past, before 1970 as well', () => {
    const x = field(z.iso.datetime({ local: true }), 'truncate');
    const ns = field(epoch('ns'), 'truncate');
    for (const cut of [
      x.json('"2024-11-03T06:30:00.123456789Z"'),
      x.text('2024-11-03 06:30:00.123456789'),
      x.column('TIMESTAMP_NS')(nanos),
      x.column('INT96')(1_730_615_400_123_456n),
      ns.column('BIGINT')(nanos),
      ns.json('"1730615400123456789"'),
    ]) {
      expect(cut).toEqual([1_730_615_400_123_456]);
    }
    expect(x.json('"1969-12-31T23:59:59.999999999Z"')).toEqual([-1]);
    expect(x.column('TIMESTAMP_NS')(-1n)).toEqual([-1]);
    expect(ns.json('"-1"')).toEqual([-1]);
  });

  test('INT96 is cut before it is read: only on demand', () => {
    expect(field(z.iso.datetime({ local: true })).refused('INT96')).toMatchObject({
      code: 'column-type-mismatch',
      remedy: expect.stringContaining("finerThanMicros: 'truncate'"),
    });
  });

  test('far dates are invalid, with a reason', () => {
    const x = field(z.iso.datetime({ local: true }), 'truncate');
    expect(x.column('INT96')(-(2n ** 62n))).toMatch(/^x: expected an ISO datetime .* from 1684 to 2255, received /);
    expect(x.column('TIMESTAMP')(2n ** 63n - 1n)).toMatch(/ from 1684 to 2255, received 9223372036854775807 µs$/);
    expect(x.json('"9999-12-31T00:00:00Z"')).toMatch(/ from 1684 to 2255, received "9999-12-31T00:00:00Z"$/);
  });
});

describe('what pandas writes for a column with gaps', () => {
  test('whole numbers with a point are integers in every text, however wide', () => {
    for (const schema of [z.int(), z.int64(), decimal(12, 0)]) {
      const [value] = field(schema).text('42.0');
      expect(String(value)).toBe('42');
    }
    expect(field(z.int64()).text('1.5248311832002601e+18')).toContain('write all its digits');
    expect(field(z.int64()).text('1524831183200260097')).toEqual([1_524_831_183_200_260_097n]);
    expect(field(z.int64().nullable()).text(null)).toEqual([null]);
  });

  test('booleans as Python and R print them, and no other words', () => {
    const flag = field(z.boolean());
    for (const yes of ['true', 'True', 'TRUE']) expect(flag.text(yes)).toEqual([true]);
    for (const no of ['false', 'False', 'FALSE']) expect(flag.text(no)).toEqual([false]);
    for (const word of ['t', '1', 'yes', 'tRue', ' true', '']) {
      expect(flag.text(word)).toBe(
        `x: expected true or false, received ${JSON.stringify(word)}; in text it is written true or false`,
      );
    }
  });

  test('a command line reads as a CSV does', () => {
    const layout = {
      semantics: 0,
      view: 'v',
      entity: 'e',
      keys: [
        { name: 'id', type: { kind: 'int64' } as const },
        { name: 'on', type: { kind: 'boolean' } as const },
      ],
      tieBreak: 'offset' as const,
      groups: [],
      slots: [],
      features: [],
    };
    expect(keyOf(layout, ['id=42.0', 'on=True'])).toEqual([42n, true]);
    expect(() => keyOf(layout, ['id=042', 'on=True'])).toThrow('key "id": expected a 64-bit integer, received "042"');
  });
});

describe('epoch numbers', () => {
  test('the unit is declared once, and holds for record, column and text', () => {
    const ts = field(epoch('ms'));
    const us = 1_700_000_000_000_000;
    expect(ts.json('1700000000000')).toEqual([us]);
    expect(ts.json('"1700000000000"')).toEqual([us]);
    expect(ts.column('BIGINT')(1_700_000_000_000n)).toEqual([us]);
    expect(ts.column('DOUBLE')(1_700_000_000_000)).toEqual([us]);
    expect(ts.column('DECIMAL(20,2)')(170_000_000_000_000)).toEqual([us]);
    expect(ts.column('VARCHAR')('1700000000000')).toEqual([us]);
    expect(ts.text('1700000000000')).toEqual([us]);
  });

  test('another unit by mistake is told by its name, at every door', () => {
    const units = { s: 'seconds', ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' } as const;
    const number = { s: '1700000000', ms: '1700000000000', us: '1700000000000000', ns: '1700000000000000000' } as const;
    const names = ['s', 'ms', 'us', 'ns'] as const;
    for (const declared of names) {
      const ts = field(epoch(declared));
      for (const written of names) {
        const verdicts = [
          ts.json(`"${number[written]}"`),
          ts.column('BIGINT')(BigInt(number[written])),
          ts.text(number[written]),
        ];
        for (const verdict of verdicts) {
          if (written === declared) expect(verdict).toEqual([1_700_000_000_000_000]);
          else expect(verdict).toMatch(new RegExp(`looks like ${units[written]}$`));
        }
      }
    }
  });

  test('the bounds are 1990 and 2100; what lies in no unit is a time', () => {
    const s = field(epoch('s'));
    expect(s.json('631152000')).toEqual([631_152_000_000_000]);
    expect(s.json('4102444799')).toEqual([4_102_444_799_000_000]);
    expect(s.json('0')).toEqual([0]);
    expect(s.json('-1')).toEqual([-1_000_000]);
    expect(s.json('4102444800')).toEqual([4_102_444_800_000_000]);
    expect(s.json('9007199255')).toContain('expected a time in epoch seconds');
    for (const refused of ['1.5', '"1e9"', 'true', 'null', '"2024-01-01T00:00:00Z"', 'NaN']) {
      expect(s.json(refused)).toContain('x: expected a time in epoch seconds');
    }
    expect(() => epoch('sec' as never)).toThrow("expected 's', 'ms', 'us' or 'ns'");
  });

  test('a column of numbers says which declaration it needs, a column of times too', () => {
    expect(field(z.iso.datetime()).refused('BIGINT')).toMatchObject({ remedy: expect.stringContaining('epoch(') });
    expect(field(epoch('s')).refused('TIMESTAMP')).toMatchObject({
      remedy: expect.stringContaining('z.iso.datetime()'),
    });
  });
});

describe('offsets, and no zone', () => {
  test('the hour that exists twice is two, an hour apart', () => {
    const at = field(z.iso.datetime({ offset: true }));
    const [first] = at.json('"2024-11-03T01:30:00-04:00"');
    const [second] = at.json('"2024-11-03T01:30:00-05:00"');
    expect(Number(second) - Number(first)).toBe(3_600_000_000);
    expect(at.text('2024-11-03T01:30:00-05:00')).toEqual([second]);
    expect(at.column('VARCHAR')('2024-11-03T01:30:00-05:00')).toEqual([second]);
  });

  test('a contract without offset, or without local, says so per record, in the same words', () => {
    const at = field(z.iso.datetime());
    const words = (text: string, way: string) =>
      `x: expected an ISO datetime ending in Z, no finer than a microsecond, from 1684 to 2255, received "${text}"; ${way}`;
    const offset = '2024-11-03T01:30:00-04:00';
    const local = '2024-11-03T01:30:00';
    for (const verdict of [at.json(`"${offset}"`), at.text(offset), at.column('VARCHAR')(offset)]) {
      expect(verdict).toBe(words(offset, 'a time with an offset needs z.iso.datetime({ offset: true })'));
    }
    for (const verdict of [at.json(`"${local}"`), at.text(local), at.column('VARCHAR')(local)]) {
      expect(verdict).toBe(
        words(local, 'a time without a zone needs z.iso.datetime({ local: true }): it then counts as UTC'),
      );
    }
    expect(at.refused('TIMESTAMP')).toMatchObject({ remedy: expect.stringContaining('local: true') });
  });

  test('with local a time without zone counts as UTC, and one with Z is what it is', () => {
    const at = field(z.iso.datetime({ local: true }));
    const us = 1_730_597_400_000_000;
    for (const verdict of [
      at.json('"2024-11-03T01:30:00"'),
      at.json('"2024-11-03T01:30:00Z"'),
      at.text('2024-11-03 01:30:00'),
      at.column('TIMESTAMP')(BigInt(us)),
      at.column('TIMESTAMP WITH TIME ZONE')(BigInt(us)),
    ]) {
      expect(verdict).toEqual([us]);
    }
    expect(at.json('"2024-11-03T01:30:00-04:00"')).toContain('needs z.iso.datetime({ offset: true })');
  });
});

describe('records without a broker timestamp', () => {
  const nowUs = 1_730_597_400_000_000;
  test('are told as such, with the setting that lets them through, and never as decades ahead', () => {
    const guard = topicGuard(orderSource());
    for (const missing of [null, 0]) {
      expect(guard(nowUs, missing)).toMatch(/^at: no-broker-timestamp: .*brokerTime: 'none'$/);
      expect(topicGuard(orderSource({ brokerTime: 'none' }))(nowUs, missing)).toBeNull();
    }
    expect(guard(nowUs, nowUs)).toBeNull();
    expect(guard(nowUs, nowUs - 7_200_000_000)).toContain('ahead-of-broker-time');
    // An event of 1970 is not ahead of it.
    expect(guard(60_000_000, 0)).toBeNull();
  });
});

describe('UUIDs and 64-bit ids', () => {
  test('a UUID is its text at every door', () => {
    const id = field(z.uuid());
    const uuid = '123e4567-e89b-42d3-a456-426614174000';
    expect(id.json(`"${uuid}"`)).toEqual([uuid]);
    expect(id.text(uuid)).toEqual([uuid]);
    expect(id.column('UUID')(uuid)).toEqual([uuid]);
    expect(field(z.string()).column('UUID')(uuid)).toEqual([uuid]);
  });

  test('two ids that a double takes for one are refused as numbers, and told apart as text', () => {
    const id = field(z.int64());
    for (const number of ['1524831183200260097', '1524831183200260096']) {
      expect(id.json(number)).toMatch(/^x: expected a 64-bit integer, received .*: send it as text$/);
      expect(id.json(`"${number}"`)).toEqual([BigInt(number)]);
      expect(id.column('BIGINT')(BigInt(number))).toEqual([BigInt(number)]);
    }
    expect(field(z.int()).json('1524831183200260097')).toContain('z.int64()');
  });
});
