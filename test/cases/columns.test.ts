import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import type { SourceFacts } from '../../engine/define/source.ts';
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

describe('case 8: digits finer than a microsecond, and dates far away', () => {
  const LOCAL = z.iso.datetime({ local: true });
  const times = (time: z.ZodISODateTime, options: Partial<SourceFacts> = {}): Situation['define'] => {
    return (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: time, x: z.int() }, { invalidLimit: ANY_INVALID, ...options }),
        features: (f) => ({ n: f.count(), x: f.sum('x'), first: f.first('at'), last: f.last('at') }),
      });
  };
  const CUT = { finerThanMicros: 'truncate' } as const;
  const US = Date.parse(T) * 1000 + 123_456;
  const fine = [
    record({ at: '2024-05-01T00:00:00.123456789Z', x: 1 }),
    record({ at: '2024-05-01T00:00:00.123456000Z', x: 2 }),
  ];

  it('one rule: cut where the source says so, in every encoding', async () => {
    for (const name of ['int96-nanos', 'nanos-local', 'nanos-utc']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const { rows } = await world.play({ define: times(LOCAL, CUT), files, records: fine });
      expect([name, rows]).toEqual([name, [{ n: 4n, x: 6n, first: US, last: US }]]);
    }
    const csv = { 'h/a.csv': `id,at,x\na,2024-05-01 00:00:00.123456789,1\na,2024-05-01T00:00:00.123456Z,2\n` };
    const { rows } = await world.play({ define: times(LOCAL, CUT), files: csv, records: fine });
    expect(rows).toEqual([{ n: 4n, x: 6n, first: US, last: US }]);
  });

  it('without it invalid row by row where they can be seen, refused by plan where a reader hides them', async () => {
    const words = /digits finer than a microsecond must be zero, unless the source says finerThanMicros: 'truncate'/;
    const { rows, letters } = await world.play({
      define: times(LOCAL),
      files: { 'h/a.parquet': await fixture('nanos-local') },
      records: fine,
    });
    expect(rows).toEqual([{ n: 2n, x: 4n, first: US, last: US }]);
    expect(letters.map(({ reasons }) => reasons)).toEqual([0, 1].map(() => expect.stringMatching(words)));
    for (const name of ['int96-nanos', 'int96-micros', 'nanos-utc', 'nanos-utc-whole']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const [fault, ...more] = await world.refusals({ define: times(LOCAL), files });
      expect(fault).toMatch(/^column-type-mismatch at schema\.at: .*finerThanMicros: 'truncate'/);
      expect(more).toEqual([]);
      // The remedy works, and of a file without a zone all of it is told at once.
      const [strict] = await world.refusals({ define: times(z.iso.datetime()), files });
      expect(strict).toContain("finerThanMicros: 'truncate'");
      if (name.startsWith('int96')) expect(strict).toContain('z.iso.datetime({ local: true })');
      expect(await world.refusals({ define: times(LOCAL, CUT), files })).toEqual([]);
    }
  });

  it('files with and without a zone, of every encoding, one beside the other', async () => {
    const files = {
      'h/a.parquet': await fixture('int96-nanos'),
      'h/b.parquet': await fixture('nanos-utc'),
      'h/c.parquet': await fixture('nanos-local'),
      'h/d.parquet': `SELECT 'a' AS id, TIMESTAMP '2024-05-01' AS "at", 1 AS x`,
      'h/e.parquet': parquet('1 AS x'),
      'h/f.parquet': `SELECT 'a' AS id, TIMESTAMP_MS '2024-05-01' AS "at", 1 AS x`,
      'h/g.parquet': `SELECT 'a' AS id, '2024-05-01T00:00:00' AS "at", 1 AS x`,
      'h/h.parquet': await fixture('zone-paris'),
    };
    const { rows } = await world.play({ define: times(LOCAL, CUT), files });
    expect(rows[0]).toMatchObject({ n: 12n, first: Date.parse(T) * 1000, last: Date.parse(T) * 1000 + 1_000_000 });
    const faults = await world.refusals({ define: times(z.iso.datetime(), CUT), files });
    expect(faults.map((fault) => /h\/(\w)\.parquet/.exec(fault)?.[1])).toContain('d');
  });

  it('INT96 as Spark writes it: dictionary, several row groups, nulls', async () => {
    const define: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, at: LOCAL, x: z.int(), seen: LOCAL.nullable() }, CUT),
        features: (f) => ({ n: f.count(), x: f.sum('x'), seen: f.max('seen'), known: f.count('seen') }),
      });
    const { rows } = await world.play({ define, files: { 'h/a.parquet': await fixture('int96-groups') } });
    expect(rows).toEqual([{ n: 300n, x: 44_850n, seen: Date.parse(T) * 1000 + 299, known: 200n }]);
  });

  it('dates far outside are invalid rows with what they are', async () => {
    for (const name of ['far-us', 'far-ms', 'far-int96']) {
      const files = { 'h/a.parquet': await fixture(name) };
      const { rows, letters } = await world.play({ define: times(LOCAL, CUT), files });
      expect(rows[0]).toMatchObject({ n: 1n, x: 8n });
      expect(letters.map(({ reasons }) => reasons)).toEqual(
        ['0001-01-01', '1500-06-01', '9999-12-31'].map((day) =>
          expect.stringMatching(`^at: expected an ISO datetime .*from 1684 to 2255, received ${day}T00:00:00`),
        ),
      );
    }
    const far = ['0001-01-01', '1500-06-01', '9999-12-31'].map((day) => record({ at: `${day}T00:00:00Z`, x: 1 }));
    const { letters } = await world.play({ define: times(LOCAL, { ...CUT, history: undefined }), records: far });
    expect(letters).toHaveLength(3);
  });

  it('before 1970 they are cut towards the past, or invalid where the reader cut them otherwise', async () => {
    const early = [
      record({ at: '1969-12-31T23:59:59.999999999Z', x: 1 }),
      record({ at: '1969-12-31T23:59:59.999998999Z', x: 2 }),
    ];
    for (const name of ['early-nanos-local', 'early-int96']) {
      const { rows } = await world.play({
        define: times(LOCAL, CUT),
        files: { 'h/a.parquet': await fixture(name) },
        records: early,
      });
      expect(rows).toEqual([{ n: 4n, x: 6n, first: -2, last: -1 }]);
    }
    const utc = await world.play({
      define: times(LOCAL, CUT),
      files: { 'h/a.parquet': await fixture('early-nanos-utc') },
      records: early,
    });
    expect(utc.counts).toMatchObject({ applied: 2, invalid: 2 });
    expect(utc.letters[0]!.reasons).toMatch(/can be cut towards the past from 1970 on only: write the column in micro/);
  });
});

describe('case 14: line ends of two systems, and other encodings', () => {
  const define: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(own, { ...ID_AT, x: z.int() }),
      features: (f) => ({ n: f.count(), x: f.sum('x') }),
    });
  const csv = `id,at,x\na,${T},1\na,${T},2\na,${T},4\n`;
  const crlf = csv.replaceAll('\n', '\r\n');

  it('plan names file, line, reason and remedy', async () => {
    const cases: [string | Buffer, RegExp][] = [
      [csv.replace('1\n', '1\r\n'), /a\.csv, line 2 could not be read: .*mixed line ends/],
      [crlf.replace('2\r\n', '2\n'), /a\.csv, line 3 could not be read: .*mixed line ends/],
      [Buffer.from(csv.replace('a,', 'M\u00fcller,'), 'latin1'), /line 2 .*not UTF-8 .*iconv -f WINDOWS-1252 -t UTF-8/],
      [Buffer.from(`\ufeff${crlf}`, 'utf16le'), /line 1 .*it is UTF-16.*iconv -f UTF-16 -t UTF-8/],
      [Buffer.from(csv, 'utf16le').swap16(), /line 1 .*it is UTF-16/],
    ];
    for (const [content, words] of cases) {
      expect(await world.refusals({ define, files: { 'h/a.csv': content, 'h/b.csv': csv } })).toEqual([
        expect.stringMatching(new RegExp(`^history-unreadable at history\\.path: .*${words.source}`)),
      ]);
    }
  });

  it('one kind of line end per file is read, whichever it is, with a byte order mark or without', async () => {
    const files = {
      'h/a.csv': csv,
      'h/b.csv': crlf,
      'h/c.csv': csv.replaceAll('\n', '\r'),
      'h/d.csv': `\ufeff${crlf}\r\n`,
    };
    expect((await world.play({ define, files, records: [record({ x: 8 })] })).rows).toEqual([{ n: 13n, x: 36n }]);
    const lines = `${record({ x: 1 })}\r\n${record({ x: 2 })}\n\n${record({ x: 4 })}`;
    expect((await world.play({ define, files: { 'h/a.jsonl': lines } })).rows).toEqual([{ n: 3n, x: 7n }]);
  });

  it('a line of JSON that is not UTF-8 is an invalid row', async () => {
    const tolerant: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, ID_AT, { invalidLimit: ANY_INVALID }),
        features: (f) => ({ n: f.count() }),
      });
    const latin = Buffer.from(`${record({})}\n${record({ id: 'M\u00fcller' })}\n`, 'latin1');
    const { rows, letters } = await world.play({
      define: tolerant,
      files: { 'h/a.jsonl': latin },
      records: [Buffer.from(record({ id: 'M\u00fcller' }), 'latin1'), Buffer.from(record({}), 'utf16le')],
    });
    expect(rows).toEqual([{ n: 1n }]);
    expect(letters.map(({ reasons }) => reasons)).toEqual([
      'record: expected JSON in UTF-8, received other bytes',
      'record: expected JSON in UTF-8, received other bytes',
      'record: expected JSON in UTF-8, received UTF-16',
    ]);
  });
});

describe('case 16: CSV as pandas writes it', () => {
  const define: Situation['define'] = (own) =>
    featureView(own.name, {
      entity: user,
      source: caseSource(
        own,
        {
          ...ID_AT,
          at: z.iso.datetime({ offset: true }),
          k: z.int64().nullable(),
          x: z.int().nullable(),
          flag: z.boolean().nullable(),
          d: z.number().nullable(),
        },
        { invalidLimit: ANY_INVALID },
      ),
      features: (f) => ({ n: f.count(), k: f.max('k'), x: f.sum('x'), flag: f.max('flag'), d: f.sum('d') }),
    });
  const head = ',id,at,k,x,flag,d\n';

  it('takes 42.0, empty cells, True and False, times with a space, small exponents and a column of row numbers', async () => {
    const rows = [
      `0,a,${T.replace('T', ' ').replace('Z', '+00:00')},42.0,7.0,True,1e-07`,
      `1,a,2024-05-01 00:00:00.5+00:00,,,,`,
      `2,a,${T},1e3,2.0,False,0.1`,
    ];
    const outcome = await world.play({
      define,
      files: { 'h/a.csv': `${head}${rows.join('\n')}\n` },
      records: [record({ k: '42', x: 1, flag: null, d: null })],
    });
    expect(outcome.rows).toEqual([{ n: 4n, k: 1000n, x: 10n, flag: true, d: 1e-7 + 0.1 }]);
  });

  it('refuses per row what no number or boolean is, and says which spelling is wanted', async () => {
    const rows = [
      '42.5,1,True,1',
      '1,1,yes,1',
      '1,1,1,1',
      '1,007,True,1',
      '1,1,True,nan',
      '9007199254740993.0,1,True,1',
    ];
    const { letters } = await world.play({
      define,
      files: { 'h/a.csv': `${head}${rows.map((row, n) => `${n},a,${T},${row}\n`).join('')}` },
    });
    expect(letters.map(({ reasons }) => reasons)).toEqual([
      'k: expected a 64-bit integer, received "42.5"',
      'flag: expected true or false, received "yes"; in text it is written true or false',
      'flag: expected true or false, received "1"; in text it is written true or false',
      'x: expected an integer, received "007"',
      'd: expected a number, received "nan"; a value that is not known is null',
      'k: expected a 64-bit integer, received "9007199254740993.0"; with a point or an exponent it counts as a double, which has lost digits beyond 2^53: write all its digits',
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
