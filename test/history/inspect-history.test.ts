import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HistoryLook } from '../../engine/define/check-history.ts';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { inspectHistory } from '../../engine/history/inspect-history.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const T = '2001-01-01T00:00:01Z';
const look = (of: CompiledSource, sample = 1000): Promise<HistoryLook> =>
  inspectHistory(of, history.duckdb, { sample, nowUs: systemClock.nowUs() });
const rows = (count: number, v: string): string =>
  `SELECT 'x' || i AS id, make_timestamptz(1000000 * i) AS "at", ${v} AS v FROM range(${count}) r(i)`;

describe('a look at a history before anything runs', () => {
  it('says what a sample of rows came to, in every format', async () => {
    const folder = await history.files({
      'a.parquet': rows(3000, 'CASE WHEN i = 3 THEN -1 ELSE i END'),
      'b.parquet': rows(3000, 'i'),
      'a.csv': `id,at,v\n${`x,${T},1\n`.repeat(30)}x,${T},none\n`,
      'a.jsonl': `${`{"id":"x","at":"${T}","v":1}\n`.repeat(30)}{"id":"x","at":"2199-01-01T00:00:00Z","v":1}\n`,
    });
    const of = (ending: string): CompiledSource =>
      sourceOf({ ...AT, v: z.int().min(0) }, { path: join(folder, `*.${ending}`) });
    const parquet = await look(of('parquet'));
    expect(parquet.faults).toEqual([]);
    expect(parquet.sample).toMatchObject({ rows: 1000, of: 6000, invalid: 1 });
    expect(parquet.sample?.reasons).toMatch(/^1 × .*a\.parquet row 3: v: expected .*-1/);
    expect((await look(of('csv'))).sample).toMatchObject({ rows: 31, of: 31, invalid: 1 });
    const lines = await look(of('jsonl'));
    expect(lines.sample).toMatchObject({
      rows: 31,
      of: null,
      invalid: 1,
      reasons: expect.stringContaining('ahead-of-history'),
    });
    expect(await look(of('parquet'), 0)).toEqual({ faults: [], sample: null });
  });

  it('refuses a history of which too much is invalid, as its backfill would', async () => {
    const folder = await history.files({ 'a.csv': `id,at,v\n${`x,${T},1.5\n`.repeat(60)}` });
    const { faults } = await look(sourceOf({ ...AT, v: z.int() }, { path: join(folder, '*.csv') }));
    expect(faults).toEqual([
      expect.objectContaining({
        code: 'too-many-invalid-records',
        message: expect.stringMatching(/60 of 60 sampled rows are invalid.*60 × .*v: expected/),
      }),
    ]);
  });

  it('tells every fault of every file at once, those alike counted', async () => {
    const folder = await history.files({
      'a.parquet': rows(2, 'true'),
      'b.parquet': `SELECT 'x' AS id, 'never' AS "at"`,
      'c.parquet': rows(2, '1'),
    });
    const { faults, sample } = await look(sourceOf({ ...AT, v: z.int() }, { path: join(folder, '*.parquet') }));
    expect(sample).toBeNull();
    expect(faults.map(({ code, field }) => [code, field])).toEqual(
      expect.arrayContaining([
        ['column-type-mismatch', 'v'],
        ['history-column-missing', 'v'],
      ]),
    );
    const many = await history.files(
      Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`${n}.csv`, `id,at\nx,${T}\r\ny,${T}\n`])),
    );
    const torn = await look(sourceOf(AT, { path: join(many, '*.csv') }));
    expect(torn.faults).toHaveLength(3);
    expect(torn.faults[2]?.message).toMatch(/2\.csv, line 2 .*mixed line ends.*\(and 6 more like it\)$/);
  });

  it('says that nothing matches, and which paths lack their folder', async () => {
    const folder = await history.files({ 'a/x.jsonl': `{"id":"x","at":"${T}"}\n` });
    expect((await look(sourceOf(AT, { path: join(folder, '*.csv') }))).faults).toEqual([
      expect.objectContaining({ code: 'history-not-found', field: null }),
    ]);
    const of = sourceOf({ ...AT, country: z.string() }, { path: join(folder, '*/*.jsonl'), partitions: ['country'] });
    expect((await look(of)).faults).toEqual([expect.objectContaining({ code: 'history-partition-missing' })]);
  });
});
