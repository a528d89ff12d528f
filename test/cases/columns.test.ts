import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { ANY_INVALID, caseSource, CaseWorld, ID_AT, LATER, type Situation, T, user } from './case-world.ts';

let world: CaseWorld;
beforeAll(async () => {
  world = await CaseWorld.open(inject('stack'));
});
afterAll(() => world.close());

const at = `TIMESTAMPTZ '${T}' AS "at"`;
const parquet = (columns: string): string => `SELECT 'a' AS id, ${at}, ${columns}`;
const fixture = (name: string): Promise<Buffer> => readFile(join(import.meta.dirname, 'fixtures', `${name}.parquet`));
const record = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ id: 'a', at: T, ...fields });

describe('case 2: names that differ in case', () => {
  const define: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(own, { ...ID_AT, note: z.string().optional() }, { invalidLimit: ANY_INVALID }),
      features: (f) => ({ n: f.count(), note: f.last('note') }),
    });
  const labels = ['a', 'b', 'c', 'd'].map((id) => ({ key: { id }, at: LATER }));
  const records = [`{"ID":9,"id":"d","Note":7,"note":"x","at":"${T}"}`];
  const likeNames = (n: number): Promise<Buffer> =>
    readFile(join(import.meta.dirname, '../history/fixtures', `like-names-${n}.parquet`));

  it('the column of exactly that name is read, whatever else the file has', async () => {
    for (const files of [
      { 'h/a.parquet': await likeNames(1), 'h/b.parquet': await likeNames(2) },
      { 'h/a.csv': `ID,id,at\n1,a,1970-01-01T00:00:01Z\n2,b,1970-01-01T00:00:02Z\n` },
      { 'h/a.jsonl': `{"ID":1,"id":"a","at":"${T}"}\n{"id":"b","ID":2,"at":"${T}"}\n` },
    ] as Record<string, string | Buffer>[]) {
      const { rows } = await world.play({ define, labels, records, files });
      expect(rows.map(({ n, note }) => [n, note])).toEqual([
        [1n, null],
        [1n, null],
        [0n, null],
        [1n, 'x'],
      ]);
    }
  });

  it('another case alone is named: by plan in a file, per record in JSON, for an optional field too', async () => {
    for (const files of [
      { 'h/a.parquet': `SELECT 'a' AS "ID", ${at}` },
      { 'h/a.csv': `ID,at\na,${T}\n` },
      { 'h/a.parquet': parquet(`'x' AS "Note"`) },
      { 'h/a.csv': `id,at,NOTE\na,${T},x\n` },
    ] as Record<string, string>[]) {
      const [fault, ...more] = await world.refusals({ define, files });
      expect(fault).toMatch(/^history-column-missing at schema\.(id|note): .*it has "(ID|Note|NOTE)" for "(id|note)"/);
      expect(more).toEqual([]);
    }
    const lines = [record({ id: undefined, ID: 'a' }), record({ Note: 'x' })];
    const { letters, counts } = await world.play({
      define,
      files: { 'h/a.jsonl': `${record({})}\n${lines.join('\n')}\n` },
      records: lines,
    });
    expect(counts).toMatchObject({ applied: 1, invalid: 4 });
    const words = (name: string, other: string): string =>
      `${name}: expected a field "${name}", received "${other}": names are matched to the letter`;
    expect(letters.map(({ reasons }) => reasons)).toEqual(
      [0, 1].flatMap(() => [words('id', 'ID'), words('note', 'Note')]),
    );
  });
});

describe('case 4: numbers whose width differs from file to file', () => {
  const ints: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(own, { ...ID_AT, x: z.int().nullable() }),
      features: (f) => ({ n: f.count(), sum: f.sum('x'), values: f.count('x') }),
    });

  it('are read as the whole numbers they are', async () => {
    const files = {
      'h/a.parquet': parquet('unnest([1::BIGINT, NULL]) AS x'),
      'h/b.parquet': parquet('unnest([2.0::DOUBLE, NULL]) AS x'),
      'h/c.parquet': parquet('3::FLOAT AS x'),
      'h/d.parquet': parquet('4::UTINYINT AS x'),
      'h/e.parquet': parquet('5.00::DECIMAL(9, 2) AS x'),
      'h/f.parquet': parquet('NULL AS x'),
    };
    const { rows } = await world.play({
      define: ints,
      files,
      records: [record({ x: 6 }), `${record({ x: 7 }).slice(0, -1)}.0}`],
    });
    expect(rows).toEqual([{ n: 10n, sum: 28n, values: 7n }]);
  });

  it('scales of decimals, and unsigned ones beyond int64, are exact or invalid', async () => {
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, price: decimal(12, 3), big: z.int64() }, { invalidLimit: ANY_INVALID }),
        features: (f) => ({ price: f.sum('price'), big: f.max('big') }),
      });
    const files = {
      'h/a.parquet': parquet('1.5::DECIMAL(4, 1) AS price, 9007199254740993::BIGINT AS big'),
      'h/b.parquet': parquet('1.2500::DECIMAL(38, 4) AS price, 7::DOUBLE AS big'),
      'h/c.parquet': parquet('2::INTEGER AS price, 18446744073709551615::UBIGINT AS big'),
      'h/d.parquet': parquet(`'3.25' AS price, '9007199254740995' AS big`),
    };
    const { rows, letters } = await world.play({
      define,
      files,
      records: [record({ price: '0.125', big: '9007199254740997' })],
    });
    expect(rows).toEqual([{ price: '6.125', big: 9007199254740997n }]);
    expect(letters.map(({ reasons }) => reasons)).toEqual([
      'big: expected a 64-bit integer, received 18446744073709551615',
    ]);
  });

  it('what can never be the number is refused by plan, in whichever file it stands', async () => {
    for (const [column, type] of [
      ['true', 'BOOLEAN'],
      [`'1'`, 'VARCHAR'],
      [`DATE '2024-05-01'`, 'DATE'],
      [`INTERVAL 1 DAY`, 'INTERVAL'],
    ] as const) {
      const files = { 'h/a.parquet': parquet('1 AS x'), 'h/b.parquet': parquet(`${column} AS x`) };
      const faults = await world.refusals({ define: ints, files });
      expect(faults).toEqual([
        expect.stringMatching(new RegExp(`^column-type-mismatch at schema\\.x: .*b\\.parquet: column "x": .*${type}`)),
      ]);
    }
  });

  it('encodings of other writers: unsigned, decimals in bytes and in integers, dictionaries, large texts', async () => {
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, x: z.int64() }, { invalidLimit: ANY_INVALID }),
        features: (f) => ({ n: f.count(), sum: f.sum('x') }),
      });
    for (const [name, top] of [
      ['uint8', 255n],
      ['uint16', 65_535n],
      ['uint32', 4_294_967_295n],
      ['large-text', 2n],
    ] as const) {
      const { rows } = await world.play({ define, files: { 'h/a.parquet': await fixture(name) } });
      expect([name, rows]).toEqual([name, [{ n: 2n, sum: top + 1n }]]);
    }
    const money: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, x: decimal(10, 2) }),
        features: (f) => ({ n: f.count(), sum: f.sum('x') }),
      });
    const decimals = { 'h/a.parquet': await fixture('decimal-flba'), 'h/b.parquet': await fixture('decimal-int') };
    expect((await world.play({ define: money, files: decimals })).rows).toEqual([{ n: 4n, sum: '3.25' }]);
    const doubles: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, x: z.number() }),
        features: (f) => ({ n: f.count(), sum: f.sum('x') }),
      });
    const dictionary = { 'h/a.parquet': await fixture('dictionary') };
    expect((await world.play({ define: doubles, files: dictionary })).rows).toEqual([{ n: 2n, sum: 3 }]);
    expect(await world.refusals({ define, files: { 'h/a.parquet': await fixture('bytes') } })).toEqual([
      expect.stringMatching(/^column-type-mismatch at schema\.id: .*expected text, .*BLOB/),
    ]);
  });

  it('a column without any value fits every type', async () => {
    const files = { 'h/a.parquet': await fixture('nulls'), 'h/b.parquet': parquet('1 AS x, NULL AS note') };
    for (const note of [z.string(), z.int(), z.boolean(), z.iso.date(), decimal(4, 2), z.object({ a: z.int() })]) {
      const define: Situation['define'] = (own) =>
        featureView(own.name, {
          entity: user,
          source: caseSource(own, { ...ID_AT, note: note.nullable() }),
          features: (f) => ({ n: f.count() }),
        });
      expect((await world.play({ define, files, records: [record({ note: null })] })).rows).toEqual([{ n: 4n }]);
    }
  });
});

describe('case 6: a FLOAT column beside a JSON number', () => {
  const of = (x: z.ZodNumber): Situation['define'] => {
    return (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, x }, { invalidLimit: ANY_INVALID }),
        features: (f) => ({ n: f.count(), sum: f.sum('x'), last: f.last('x'), max: f.max('x') }),
      });
  };
  const float = Math.fround(1.111);

  it('z.float32() is the same double from every door', async () => {
    for (const files of [
      { 'h/a.parquet': parquet('1.111::FLOAT AS x') },
      { 'h/a.parquet': parquet('1.111::DOUBLE AS x') },
      { 'h/a.parquet': parquet('1.111::DECIMAL(4, 3) AS x') },
      { 'h/a.csv': `id,at,x\na,${T},1.111\n` },
      { 'h/a.jsonl': record({ x: 1.111 }) },
    ] as Record<string, string>[]) {
      const { rows } = await world.play({ define: of(z.float32()), files, records: [record({ x: 1.111 })] });
      expect(rows).toEqual([{ n: 2n, sum: float + float, last: float, max: float }]);
    }
  });

  it('z.number() of a FLOAT is refused by plan, in a list and an object too, with the declaration that works', async () => {
    const nested: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, list: z.array(z.number()), o: z.object({ v: z.number() }) }),
        features: (f) => ({ n: f.count() }),
      });
    for (const [define, columns] of [
      [of(z.number()), '1.111::FLOAT AS x'],
      [nested, `[1.111::FLOAT] AS list, {'v': 1.5::DOUBLE} AS o`],
      [nested, `[1.5::DOUBLE] AS list, {'v': 1.111::FLOAT} AS o`],
    ] as const) {
      expect(await world.refusals({ define, files: { 'h/a.parquet': parquet(columns) } })).toEqual([
        expect.stringMatching(/^column-type-mismatch at .*expected a number, .*FLOAT.*z\.float32\(\)/),
      ]);
    }
    const half = await fixture('half');
    expect(await world.refusals({ define: of(z.number()), files: { 'h/a.parquet': half } })).toHaveLength(1);
    const { rows } = await world.play({ define: of(z.float32()), files: { 'h/a.parquet': half } });
    // 0.1 of 16 bits.
    expect(rows[0]).toMatchObject({ n: 2n, last: 0.0999755859375 });
  });

  it('what a float cannot hold is invalid, what it rounds is rounded', async () => {
    const records = ['3.4028235677973366e38', '3.4028235e38', '1e-46', '16777217'].map((x) =>
      record({ x: 0 }).replace('"x":0', `"x":${x}`),
    );
    const files = { 'h/a.parquet': parquet('16777217::BIGINT AS x') };
    const { rows, letters } = await world.play({ define: of(z.float32()), files, records });
    expect(rows[0]).toMatchObject({ n: 4n, max: 3.4028234663852886e38, last: 16_777_216 });
    expect(letters.map(({ reasons }) => reasons)).toEqual([
      'x: expected a 32-bit number, received 3.4028235677973366e+38',
    ]);
  });
});

describe('case 28, the history: keys that are UUIDs of 16 bytes', () => {
  it('are the texts that JSON and requests send', async () => {
    const id = '123e4567-e89b-12d3-a456-426614174000';
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, id: z.uuid(), x: z.int() }),
        features: (f) => ({ n: f.count(), x: f.sum('x') }),
      });
    const files = { 'h/a.parquet': await fixture('uuid'), 'h/b.parquet': `SELECT '${id}' AS id, ${at}, 4 AS x` };
    const { rows } = await world.play({
      define,
      files,
      records: [record({ id, x: 8 })],
      labels: [{ key: { id }, at: LATER }],
    });
    expect(rows).toEqual([{ n: 4n, x: 15n }]);
  });
});
