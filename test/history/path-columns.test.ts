import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const T = '1970-01-01T00:00:01Z';
const select = (id: string, more = ''): string => `SELECT '${id}' AS id, make_timestamptz(1000000) AS "at"${more}`;
const members = { ...AT, country: z.string().nullable(), day: z.iso.date() };
const partitions = ['country', 'day'];

describe('columns that are folders of the path', () => {
  const folders: Record<string, string> = {
    a: 'country=NL/day=2001-01-02',
    b: 'country=S%C3%A3o%20Tom%C3%A9%3D%25/day=2001-01-03',
    c: 'country=__HIVE_DEFAULT_PARTITION__/day=2001-01-04',
    d: 'day=2001-01-05/country=',
  };
  const expected = [
    { id: 'a', at: 1e6, country: 'NL', day: '2001-01-02' },
    { id: 'b', at: 1e6, country: 'São Tomé=%', day: '2001-01-03' },
    { id: 'c', at: 1e6, country: null, day: '2001-01-04' },
    { id: 'd', at: 1e6, country: '', day: '2001-01-05' },
  ];
  const contents: Record<string, (id: string) => string> = {
    parquet: (id) => select(id),
    csv: (id) => `id,at\n${id},${T}\n`,
    jsonl: (id) => `{"id":"${id}","at":"${T}"}\n`,
  };

  it('are read by the text reading, decoded, in every format and order', async () => {
    for (const [ending, content] of Object.entries(contents)) {
      const files = Object.entries(folders).map(([id, folder]) => [`x/${folder}/${id}.${ending}`, content(id)]);
      const folder = await history.files(Object.fromEntries(files) as Record<string, string>);
      for (const order of ['any', 'newest-first', 'event-time'] as const) {
        for (const eventId of [undefined, 'id']) {
          const path = join(folder, `x/*/*/*.${ending}`);
          const { rows, invalid } = await history.scan(sourceOf(members, { path, partitions }, { eventId }), order);
          expect(invalid).toEqual([]);
          expect(rows.toSorted((x, y) => String(x['id']).localeCompare(String(y['id'])))).toEqual(expected);
        }
      }
    }
  });

  it('hold their text against the contract like any other', async () => {
    const folder = await history.files({ 'n=007/a.parquet': select('a'), 'n=7/b.parquet': select('b') });
    const of = sourceOf({ ...AT, n: z.int() }, { path: join(folder, '*/*.parquet'), partitions: ['n'] });
    const { rows, invalid } = await history.scan(of);
    expect(rows).toEqual([{ id: 'b', at: 1e6, n: 7 }]);
    expect(invalid).toEqual([
      expect.objectContaining({ position: 0, reasons: [expect.stringMatching(/^n: expected .*received "007"/)] }),
    ]);
  });

  it('make rows invalid whose own column says something else', async () => {
    const own = (id: string, country: string): Record<string, string> => ({
      [`country=NL/${id}.parquet`]: select(id, `, ${country} AS country`),
    });
    const parquet = await history.files({
      ...own('a', `'NL'`),
      ...own('b', `'DE'`),
      'country=NL/c.parquet': select('c'),
    });
    const csv = await history.files({
      'country=NL/a.csv': `id,at,country\na,${T},NL\nb,${T},DE\n`,
      'country=NL/c.csv': `id,at\nc,${T}\n`,
    });
    const jsonl = await history.files({
      'country=NL/a.jsonl': `{"id":"a","at":"${T}","country":"NL"}\n{"id":"b","at":"${T}","country":"DE"}\n{"id":"c","at":"${T}"}\n`,
    });
    const country = z.string();
    for (const [folder, ending] of [
      [parquet, 'parquet'],
      [csv, 'csv'],
      [jsonl, 'jsonl'],
    ] as const) {
      const path = join(folder, `*/*.${ending}`);
      const { rows, invalid } = await history.scan(sourceOf({ ...AT, country }, { path, partitions: ['country'] }));
      expect(rows.map(({ id }) => id)).toEqual(['a', 'c']);
      expect(invalid.map(({ position, reasons }) => [position, reasons])).toEqual([
        [1, [`country: expected "NL" as in the file's path, received "DE" in the file`]],
      ]);
    }
  });

  it('name a file that lies in no such folder, and a folder that is not URL-encoded', async () => {
    const folder = await history.files({ 'country=NL/a.parquet': select('a'), 'other/b.parquet': select('b') });
    const of = (path: string): ReturnType<typeof sourceOf> =>
      sourceOf({ ...AT, country: z.string() }, { path, partitions: ['country'] });
    await expect(history.scan(of(join(folder, '*/*.parquet')))).rejects.toMatchObject({
      code: 'history-partition-missing',
      message: expect.stringMatching(/b\.parquet lies in no folder "country=…".*its folders there: other/),
    });
    // The fixed part of a glob is no place for a column: one file more and it would be another.
    await expect(history.scan(of(join(folder, 'country=NL/*.parquet')))).rejects.toMatchObject({
      code: 'history-partition-missing',
    });
    const broken = await history.files({ 'country=%E4/a.csv': `id,at\na,${T}\n` });
    await expect(history.scan(of(join(broken, '*/*.csv')))).rejects.toMatchObject({
      code: 'history-partition-invalid',
      message: expect.stringContaining('%E4'),
    });
  });

  it('do not read a folder that is not declared', async () => {
    const folder = await history.files({ 'country=NL/a.parquet': select('a') });
    const { rows } = await history.scan(sourceOf(AT, { path: join(folder, '*/*.parquet') }));
    expect(rows).toEqual([{ id: 'a', at: 1e6 }]);
  });
});
