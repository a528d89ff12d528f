import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ParquetFile, readParquet, testFolder, withDuckDb } from '../training/training-fixture.ts';

const T = '2024-05-01T00:00:00Z';
const LATER = '2024-05-02T00:00:00Z';
const UUID = '123e4567-e89b-12d3-a456-426614174000';

const who = entity('who', { id: z.string() });
const item = entity('item', { number: z.int64(), flag: z.boolean() });
const events = source('events', {
  schema: z.object({
    id: z.uuid(),
    number: z.int64().nullable(),
    flag: z.boolean().nullable(),
    at: z.iso.datetime({ offset: true }),
  }),
  eventTime: 'at',
  history: { path: 'events.csv' },
});
const byWho = featureView('by_who', { entity: who, source: events, features: (f) => ({ n: f.count() }) });
const alsoByWho = featureView('also_by_who', {
  entity: who,
  source: events,
  features: (f) => ({ n: f.count('number') }),
});
const byItem = featureView('by_item', { entity: item, source: events, features: (f) => ({ n: f.count() }) });
const services = [featureService('people', [byWho, alsoByWho]), featureService('items', [byItem])];
/** As pandas writes a column of integers with gaps, and booleans. */
const HISTORY = `id,number,flag,at\n${UUID},42.0,True,2024-05-01 00:00:00+00:00\n${UUID},,,${T}\n`;

/** A folder with the history, and a spine of this text, or (Parquet) of the rows of this SELECT. */
async function folderWith(spine: string, content: string): Promise<string> {
  const folder = await testFolder();
  await writeFile(join(folder, 'events.csv'), HISTORY);
  if (spine.endsWith('.parquet')) {
    await withDuckDb((duckdb) => duckdb.run(`COPY (${content}) TO '${folder}/${spine}' (FORMAT parquet)`));
  } else await writeFile(join(folder, spine), content);
  return folder;
}

async function exported(service: 'people' | 'items', folder: string, spine: string): Promise<ParquetFile> {
  const definitions = await compileDefinitions(
    definitionsInMemory([who, item, events, byWho, alsoByWho, byItem, ...services], folder),
  );
  await exportTrainingSet({
    service: definitions.services.get(service)!,
    spine: join(folder, spine),
    out: join(folder, 'out.parquet'),
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  return await readParquet(join(folder, 'out.parquet'));
}

describe('case 16, the spine: the same file as pandas writes it', () => {
  it('has its keys read as those of the history', async () => {
    const lines = [`42.0,True,2024-05-02 00:00:00+00:00,1.0`, `42,true,${LATER},`, `43.0,False,${LATER},0.0`];
    const head = 'number,flag,event_timestamp,label';
    const content = [head, ...lines].map((line) => `${line}\n`).join('');
    const { rows } = await exported('items', await folderWith('s.csv', content), 's.csv');
    expect(rows.map((row) => row['by_item__n'])).toEqual([1n, 1n, 0n]);
    expect(rows.map((row) => row['number'])).toEqual([42n, 42n, 43n]);
    // Its index has no name, and no training set can have such a column: a history, whose columns are named by the contract, takes it.
    const indexed = [`,${head}`, ...lines.map((line, n) => `${n},${line}`)].map((line) => `${line}\n`).join('');
    await expect(exported('items', await folderWith('s.csv', indexed), 's.csv')).rejects.toMatchObject({
      code: 'spine-bad-name',
      remedy: expect.stringContaining('index=False'),
    });
  });

  it('is refused where a key is missing or is no such value, with the wanted spelling', async () => {
    for (const [key, code, words] of [
      ['42.0,yes', 'spine-bad-key', /expected true or false, received "yes"; in text it is written true or false/],
      ['42.5,True', 'spine-bad-key', /expected a 64-bit integer, received "42\.5"/],
      [',True', 'spine-null-key', /row 2: null/],
    ] as const) {
      const content = `number,flag,event_timestamp\n42.0,True,${LATER}\n${key},${LATER}\n`;
      const folder = await folderWith('s.csv', content);
      await expect(exported('items', folder, 's.csv')).rejects.toMatchObject({
        code,
        message: expect.stringMatching(words),
      });
    }
  });
});

describe('case 28, the spine: keys that are UUIDs of 16 bytes', () => {
  it('are those of the history, in a file of DuckDB and of pyarrow', async () => {
    const select = `SELECT unnest(['${UUID}', '00000000-0000-0000-0000-000000000000'])::UUID AS id, TIMESTAMPTZ '${LATER}' AS event_timestamp`;
    const { rows, types } = await exported('people', await folderWith('s.parquet', select), 's.parquet');
    expect(rows.map((row) => row['by_who__n'])).toEqual([2n, 0n]);
    expect(types[0]).toBe('UUID');
    const folder = await folderWith('unused.csv', 'id,event_timestamp\n');
    await copyFile(join(import.meta.dirname, 'fixtures/uuid-spine.parquet'), join(folder, 's.parquet'));
    expect((await exported('people', folder, 's.parquet')).rows.map((row) => row['by_who__n'])).toEqual([2n, 2n]);
  });
});

describe('case 26: labels that share key and time, unsorted, one twice in full', () => {
  const lines = [
    ['2024-05-03', 1],
    ['2024-05-02', 2],
    ['2024-05-02', 3],
    ['2024-05-02', 3],
    ['2024-05-02', 4],
    ['2024-04-01', 5],
  ].map(([day, label]) => ({ id: UUID, event_timestamp: `${day}T00:00:00Z`, label }));

  it('are exactly these rows in this order', async () => {
    const contents: Record<string, string> = {
      's.jsonl': lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      's.csv': `id,event_timestamp,label\n${lines.map((line) => `${Object.values(line).join()}\n`).join('')}`,
      's.parquet': lines
        .map(
          (line) =>
            `SELECT '${line.id}' AS id, TIMESTAMPTZ '${line.event_timestamp}' AS event_timestamp, ${line.label} AS label`,
        )
        .join(' UNION ALL '),
    };
    for (const [spine, content] of Object.entries(contents)) {
      const { rows } = await exported('people', await folderWith(spine, content), spine);
      expect(rows.map((row) => [Number(row['label']), row['by_who__n']])).toEqual([
        [1, 2n],
        [2, 2n],
        [3, 2n],
        [3, 2n],
        [4, 2n],
        [5, 0n],
      ]);
    }
  });

  it('one row is one row, none a named refusal', async () => {
    const one = await folderWith('s.jsonl', `${JSON.stringify(lines[0])}\n`);
    expect((await exported('people', one, 's.jsonl')).rows).toHaveLength(1);
    await expect(exported('people', await folderWith('s.csv', 'id,event_timestamp\n'), 's.csv')).rejects.toMatchObject({
      code: 'empty-spine',
    });
  });
});

describe('case 46: the same feature name in two views, and odd names in the spine', () => {
  const spineOf = (names: readonly string[]): string => {
    const row = Object.fromEntries([['id', UUID], ['event_timestamp', LATER], ...names.map((name) => [name, 1])]);
    return `${JSON.stringify(row)}\n`;
  };

  it('are distinct columns; odd names come through as they are', async () => {
    const names = ['n', 'by who.n', 'a.b', ' c ', 'é', '"q"', "it's", 'SELECT'];
    const { rows, names: out } = await exported('people', await folderWith('s.jsonl', spineOf(names)), 's.jsonl');
    expect(out).toEqual(['id', 'event_timestamp', ...names, 'by_who__n', 'also_by_who__n']);
    expect([rows[0]!['by_who__n'], rows[0]!['also_by_who__n']]).toEqual([2n, 1n]);
  });

  it('a clash is an error that names both sides, whatever the case', async () => {
    for (const name of ['by_who__n', 'BY_WHO__N']) {
      const folder = await folderWith('s.jsonl', spineOf([name]));
      await expect(exported('people', folder, 's.jsonl')).rejects.toMatchObject({
        message: expect.stringContaining(
          `the spine's column "${name}" and feature "n" of view "by_who" would both be written`,
        ),
      });
    }
  });
});
