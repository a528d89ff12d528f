import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { featureView } from '../../engine/define/feature-view.ts';
import { ANY_INVALID, caseSource, CaseWorld, ID_AT, type Situation, T, user } from './case-world.ts';

let world: CaseWorld;
beforeAll(async () => {
  world = await CaseWorld.open(inject('stack'));
});
afterAll(() => world.close());

const record = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ id: 'a', at: T, ...fields });

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
      'd: expected a number, received "nan"; a value that is not known is null, in a CSV an empty cell',
      'k: expected a 64-bit integer, received "9007199254740993.0"; with a point or an exponent it counts as a double, which has lost digits beyond 2^53: write all its digits',
    ]);
  });

  it('tells the words of other programs for what is not known as such; in a text field they are texts', async () => {
    const words = ['NULL', 'NA', 'None', '\\N', '#N/A', 'NaT', '<NA>'];
    const cells = words.map((word, n) => `${n},a,${T},${word},,,\n`);
    const { letters } = await world.play({ define, files: { 'h/a.csv': `${head}${cells.join('')}` } });
    expect(letters.map(({ reasons }) => reasons)).toEqual(
      words.map(
        (word) =>
          `k: expected a 64-bit integer, received ${JSON.stringify(word)}; a value that is not known is null, in a CSV an empty cell`,
      ),
    );
    const texts: Situation['define'] = (own) =>
      featureView(own.name, {
        entity: user,
        source: caseSource(own, { ...ID_AT, note: z.string().nullable() }),
        features: (f) => ({ n: f.count('note'), note: f.max('note') }),
      });
    const { rows } = await world.play({ define: texts, files: { 'h/a.csv': `id,at,note\na,${T},NULL\na,${T},\n` } });
    expect(rows).toEqual([{ n: 1n, note: 'NULL' }]);
  });
});
