import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { csvStructure } from '../../engine/history/csv/csv-structure.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const T = '1970-01-01T00:00:01Z';

describe('CSV in a declared dialect', () => {
  it('reads semicolons, tabs and decimal commas as they are declared', async () => {
    const members = { ...AT, x: z.number(), n: z.int(), price: decimal(10, 2), note: z.string() };
    const folder = await history.files({
      'a.csv': `id;at;x;n;price;note\na;${T};1,5;42;3,10;"1,5; and ""more"""\nb;${T};1.5;42,0;3,1;x\nc;${T};2;1;1.000,50;x\n`,
    });
    const csv = { delimiter: ';', decimal: ',' } as const;
    const { rows, invalid } = await history.scan(sourceOf(members, { path: join(folder, '*.csv'), csv }));
    expect(rows).toEqual([{ id: 'a', at: 1e6, x: 1.5, n: 42, price: '3.10', note: '1,5; and "more"' }]);
    expect(invalid.map(({ reasons }) => reasons)).toEqual([
      [expect.stringMatching(/^x: .*received "1\.5", where the decimal sign is declared to be a comma$/)],
      [expect.stringMatching(/^price: .*received "1\.000,50", where the decimal sign/)],
    ]);
    const tabs = await history.files({ 'a.csv': `id\tat\n"a\tb"\t${T}\n` });
    const of = sourceOf(AT, { path: join(tabs, '*.csv'), csv: { delimiter: '\t' } });
    expect((await history.scan(of)).ids).toHaveLength(1);
    expect((await history.scan(of)).rows[0]).toEqual({ id: 'a\tb', at: 1e6 });
  });

  it('finds one id however a decimal comma writes it', async () => {
    const folder = await history.files({ 'a.csv': `id;at\n7;${T}\n7,0;${T}\n8;${T}\n` });
    const csv = { delimiter: ';', decimal: ',' } as const;
    const of = sourceOf({ ...AT, id: z.int() }, { path: join(folder, '*.csv'), csv }, { eventId: 'id' });
    expect(await history.scan(of)).toMatchObject({ ids: ['7', '8'], counts: { duplicates: 1, invalid: 0 } });
  });

  it('finds a column by its exact name among ones that differ in case', async () => {
    const folder = await history.files({ 'a.csv': `ID,id,at\n1,a,${T}\n2,b,${T}\n` });
    const { rows } = await history.scan(sourceOf(AT, { path: join(folder, '*.csv') }));
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b']);
    const other = await history.files({ 'a.csv': `ID,at\n1,${T}\n` });
    await expect(history.scan(sourceOf(AT, { path: join(other, '*.csv') }))).rejects.toMatchObject({
      code: 'history-column-missing',
      message: expect.stringContaining('it has "ID" for "id"'),
    });
  });

  const faults: Record<string, [content: string | Buffer, line: number, reason: RegExp]> = {
    'line ends of two systems': [`id,at\na,${T}\r\nb,${T}\n`, 2, /mixed line ends/],
    'line ends of two systems, the other way': [`id,at\r\na,${T}\r\nb,${T}\nc,${T}\n`, 3, /mixed line ends/],
    'Latin-1': [Buffer.from(`id,at\nb,${T}\nM\u00fcller,${T}\n`, 'latin1'), 3, /not UTF-8/],
    'UTF-16': [Buffer.from(`\ufeffid,at\r\na,${T}\r\n`, 'utf16le'), 1, /it is UTF-16, not text in UTF-8/],
    'UTF-16 without a mark': [Buffer.from(`id,at\na,${T}\n`, 'utf16le'), 1, /it is UTF-16, not text in UTF-8/],
    'a Parquet file': [Buffer.from('PAR1\u0015\u0004'), 1, /it is Parquet, not text in UTF-8/],
    'an Excel file': [Buffer.from('PK\u0003\u0004\u0014'), 1, /it is a ZIP file/],
    'zero bytes': [Buffer.alloc(100), 1, /it is zero bytes, not text/],
    'gzip under a plain name': [gzipSync(`id,at\na,${T}\n`), 1, /it is gzip, not text in UTF-8/],
    'a quote that is not closed': [`id,at\na,${T}\n"b,${T}\nc,${T}\n`, 3, /never closed/],
    'text after a closing quote': [`id,at\n"a" ,${T}\n`, 2, /text after the quote/],
    'a field too few': [`id,at\na,${T}\nb\n`, 3, /expected 2 fields as in the header, found 1/],
    'a field too many': [`id,at\na,${T},\n`, 2, /expected 2 fields as in the header, found 3/],
    'another delimiter': [`id,at\na;${T}\n`, 2, /expected 2 fields as in the header, found 1/],
    'a cut gzip': [gzipSync(`id,at\na,${T}\n`).subarray(0, 20), 0, /unexpected end of file/],
  };
  for (const [name, [content, line, reason]] of Object.entries(faults)) {
    it(`names file, line and reason of ${name}`, async () => {
      const file = name === 'a cut gzip' ? 'bad.csv.gz' : 'bad.csv';
      const folder = await history.files({ [file]: content, 'good.csv': `id,at\na,${T}\n` });
      await expect(history.scan(sourceOf(AT, { path: join(folder, '*.csv*') }))).rejects.toMatchObject({
        code: 'history-unreadable',
        retryable: false,
        message: expect.stringMatching(
          new RegExp(
            `${file.replaceAll('.', '\\.')}${line === 0 ? '' : `, line ${line}`} could not be read: ${reason.source}|${reason.source}`,
          ),
        ),
        remedy: expect.stringMatching(/\w/),
      });
      expect(await history.duckdb.query('SELECT table_name FROM duckdb_tables()')).toEqual([]);
    });
  }

  it('keeps what stands in quotes to the letter: line ends, quotes, delimiters, blanks', async () => {
    const texts = ['a\r\nb', 'a\nb', 'a\rb', '"', '""', ',', ' a ', '', "it's", '#', 'ü\u{1F600}'];
    const body = texts.map((text) => `"${text.replaceAll('"', '""')}",${T}\n`).join('');
    const folder = await history.files({ 'a.csv': `\uFEFFid,at\n${body}` });
    const { rows } = await history.scan(sourceOf(AT, { path: join(folder, '*.csv') }));
    expect(rows.map(({ id }) => id)).toEqual(texts);
  });

  it('reads long quoted fields over many lines, of a file that DuckDB would cut for its threads', async () => {
    const long = Array.from({ length: 9000 }, (_, n) => `line ${n}, "with" quotes`).join('\n');
    const texts = Array.from({ length: 60 }, (_, n) => `${n}\n${long}`);
    const body = texts.map((text) => `"${text.replaceAll('"', '""')}",${T}\n`).join('');
    const folder = await history.files({ 'a.csv': `id,at\n${body}` });
    const { rows } = await history.scan(sourceOf(AT, { path: join(folder, '*.csv') }));
    const hash = (list: readonly unknown[]): string => createHash('sha256').update(JSON.stringify(list)).digest('hex');
    expect(hash(rows.map(({ id }) => id))).toBe(hash(texts));
  });

  it('gives back any texts in any dialect', async () => {
    const cell = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', '"', ',', ';', '\t', '\n', '\r', ' ', 'ü', "'", '\\', '#') }),
      fc.constantFrom('', '""', 'NULL', 'a"b'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(',', ';', '\t', '|'),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        async (cells, delimiter, lineEnd, hasLastEnd) => {
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
          const lines = cells.map((row) => [...row.map(quoted), T].join(delimiter));
          const text = [['id', 'note', 'at'].join(delimiter), ...lines].join(lineEnd) + (hasLastEnd ? lineEnd : '');
          const folder = await history.files({ 'a.csv': text });
          const of = sourceOf({ ...AT, note: z.string() }, { path: join(folder, '*.csv'), csv: { delimiter } });
          const { rows, invalid } = await history.scan(of);
          expect(invalid).toEqual([]);
          expect(rows.map(({ id, note }) => [id, note])).toEqual(cells);
        },
      ),
      lawRuns(60),
    );
  });

  it('finds the same structure wherever the bytes are cut', async () => {
    const text = `"a\r\n""b",c\r\n1,"2\r\n"\r\nü,ü\r\n`;
    const folder = await history.files({ 'a.csv': text, 'b.csv.gz': gzipSync(text) });
    const dialect = { delimiter: ',', decimal: '.' } as const;
    for (const name of ['a.csv', 'b.csv.gz']) {
      expect(await csvStructure(join(folder, name), dialect)).toEqual({
        header: ['a\r\n"b', 'c'],
        rows: 2,
        hasQuotedLineEnds: true,
        longestBytes: expect.any(Number),
        isWhole: true,
      });
    }
  });
});
