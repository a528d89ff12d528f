import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { keyText } from '../../engine/define/key-text.ts';
import { keyHash } from '../../engine/training/hash-range.ts';
import { isSampled } from '../../engine/training/sample.ts';
import { splitPaths } from '../../engine/training/split.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { exportSmall, ORDER } from './small-service.ts';
import { filesIn, type ParquetFile, readParquet, testFolder } from './training-fixture.ts';

const SHOPS = 500;
const seed = Date.now() % 2 ** 31;

let folder: string;
beforeEach(async () => {
  folder = await testFolder();
});

const timeOf = (day: number): string => new Date(Date.UTC(2001, 5, 1 + day)).toISOString();

interface Label {
  readonly shop: string;
  readonly day: number;
}

async function writeLabels(labels: readonly Label[], format: 'csv' | 'jsonl' = 'csv'): Promise<void> {
  const lines =
    format === 'csv'
      ? ['n,shop,event_timestamp', ...labels.map(({ shop, day }, n) => `${n},${shop},${timeOf(day)}`)]
      : labels.map(({ shop, day }, n) => JSON.stringify({ n, shop, event_timestamp: timeOf(day) }));
  await writeFile(join(folder, `spine.${format}`), `${lines.join('\n')}\n`);
}

const exported = (name: string, more: Partial<TrainingOptions> = {}, format = 'csv'): Promise<TrainingManifest> =>
  exportSmall(folder, `spine.${format}`, { out: join(folder, name), ...more });
const read = (name: string): Promise<ParquetFile> => readParquet(join(folder, name));
const shopsOf = ({ rows }: ParquetFile): Set<unknown> => new Set(rows.map((row) => row['shop']));

describe('a sample of the entities', () => {
  const labels = Array.from({ length: 3 * SHOPS }, (_, n) => ({ shop: `s${n % SHOPS}`, day: n % 7 }));

  test('keeps all rows of an entity or none, in their order, as they are in the whole set; a smaller one is part of a larger', async () => {
    await writeLabels(labels);
    await exported('all.parquet');
    const whole = await read('all.parquet');
    const [tenth, third] = [
      await exported('tenth.parquet', { sample: 0.1 }),
      await exported('third.parquet', { sample: 0.3 }),
    ];
    const kept = await read('third.parquet');
    const shops = shopsOf(kept);
    expect(kept.rows).toEqual(whole.rows.filter((row) => shops.has(row['shop'])));
    expect(shops.size).toBeGreaterThan(0.2 * SHOPS);
    expect(shops.size).toBeLessThan(0.4 * SHOPS);
    expect([...shopsOf(await read('tenth.parquet'))].filter((shop) => !shops.has(shop))).toEqual([]);
    expect(third).toMatchObject({
      rows: kept.rows.length,
      sample: { fraction: 0.3, by: ['shop'], ofRows: 3 * SHOPS },
      views: [{ features: expect.anything() as unknown, rowsWithoutState: kept.rows.length }],
    });
    expect(tenth.rows).toBe(3 * shopsOf(await read('tenth.parquet')).size);
  });

  test('is the same of any format, and of any service with these entities', async () => {
    await writeLabels(labels);
    await writeLabels(labels, 'jsonl');
    await exported('csv.parquet', { sample: 0.2 });
    await exported('jsonl.parquet', { sample: 0.2 }, 'jsonl');
    const [csv, jsonl] = [await read('csv.parquet'), await read('jsonl.parquet')];
    expect(csv.rows.map((row) => row['shop'])).toEqual(jsonl.rows.map((row) => row['shop']));
    // The hash is part of what a manifest says: it stays what it is.
    expect([...shopsOf(csv)].slice(0, 5)).toEqual(['s3', 's5', 's13', 's24', 's31']);
  });

  test('goes by all join keys of the service', async () => {
    const keys = Object.keys(ORDER).filter((name) => name !== 'ts');
    const rows = Array.from({ length: 200 }, (_, n) => ({ ...ORDER, number: n % 100, event_timestamp: timeOf(1) }));
    await writeFile(join(folder, 'wide.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const manifest = await exportSmall(folder, 'wide.jsonl', {
      name: 'wide',
      out: join(folder, 'w.parquet'),
      sample: 0.5,
    });
    expect(manifest.sample).toEqual({ fraction: 0.5, by: keys, ofRows: 200 });
    const numbers = (await read('w.parquet')).rows.map((row) => Number(row['number']));
    expect(numbers).toHaveLength(2 * new Set(numbers).size);
    expect(numbers.length).toBeGreaterThan(0);
  });

  test('has its own hash: the passes of an export would hold next to nothing of it, or nearly all', () => {
    const sampled = Array.from({ length: 4_000 }, (_, n) => [`s${n}`]).filter((key) => isSampled(0.1, key));
    const low = sampled.filter((key) => keyHash(keyText(key)) < 2 ** 31).length;
    expect(low / sampled.length).toBeGreaterThan(0.35);
    expect(low / sampled.length).toBeLessThan(0.65);
  });

  test('no share, nothing in it', async () => {
    await writeLabels([{ shop: 's0', day: 1 }]);
    for (const share of [0, 1, -1, 2, Number.NaN, 1e-10])
      for (const name of ['sample', 'split'])
        await expect(exported('out.parquet', { [name]: share })).rejects.toMatchObject({ code: 'bad-share' });
    await expect(exported('out.parquet', { sample: 0.000_001 })).rejects.toMatchObject({
      code: 'sample-empty',
      message: expect.stringContaining('1 rows') as string,
    });
    expect(await filesIn(folder)).toEqual(['orders.jsonl', 'spine.csv']);
  });
});

describe('a split by time', () => {
  const parts = async (name = 'set.parquet'): Promise<[ParquetFile, ParquetFile]> => {
    const { train, test: held } = splitPaths(join(folder, name));
    return [await readParquet(train), await readParquet(held)];
  };

  test(`the earliest rows are to train on, none of them as late as any to test with (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ shop: fc.constantFrom('a', 'b', 'c'), day: fc.nat(6) }), { minLength: 2, maxLength: 40 }),
        fc.integer({ min: 1, max: 99 }),
        async (labels, percent) => {
          await writeLabels(labels);
          const days = labels.map(({ day }) => day).toSorted((a, b) => a - b);
          const at = days[Math.floor((percent * days.length) / 100)]!;
          const split = exported('set.parquet', { split: percent / 100, overwrite: true });
          if (at === days[0]) {
            await expect(split).rejects.toMatchObject({ code: 'split-empty' });
            return;
          }
          const manifest = await split;
          await exported('whole.parquet', { overwrite: true });
          const whole = await read('whole.parquet');
          const isEarly = (_: unknown, n: number): boolean => labels[n]!.day < at;
          const [train, held] = await parts();
          expect(train).toEqual({ ...whole, rows: whole.rows.filter(isEarly) });
          expect(held).toEqual({ ...whole, rows: whole.rows.filter((row, n) => !isEarly(row, n)) });
          expect(manifest).toMatchObject({ rows: labels.length, split: { fraction: percent / 100 } });
          expect(Date.parse(manifest.split!.at)).toBe(Date.parse(timeOf(at)));
        },
      ),
      { numRuns: 25, seed, endOnFailure: true },
    );
  });

  const six = Array.from({ length: 6 }, (_, n) => ({ shop: `s${n}`, day: n }));
  const fileHash = async (name: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex');

  test('the manifest names both files, and repeating it gives the same bytes', async () => {
    await writeLabels(six);
    const manifest = await exported('set.parquet', { split: 0.8, sample: 0.9 });
    expect(await filesIn(folder)).toEqual(
      ['orders.jsonl', 'set.parquet.manifest.json', 'set.test.parquet', 'set.train.parquet', 'spine.csv'].toSorted(),
    );
    const { train, test: held } = manifest.split!;
    expect([train.file, held.file]).toEqual(['set.train.parquet', 'set.test.parquet']);
    expect(train.rows + held.rows).toBe(manifest.rows);
    expect(train.sizeBytes + held.sizeBytes).toBe(manifest.sizeBytes);
    for (const part of [train, held]) expect(part.sha256).toBe(await fileHash(part.file));
    const both = createHash('sha256').update(`${train.sha256}\n${held.sha256}\n`).digest('hex');
    expect(manifest.sha256).toBe(both);
    const again = await exported('set.parquet', { repeatOf: manifest, overwrite: true });
    expect(again).toEqual(manifest);
    for (const [name, other] of [
      ['split', 0.5],
      ['sample', 0.5],
    ] as const)
      await expect(
        exported('set.parquet', { repeatOf: manifest, [name]: other, overwrite: true }),
      ).rejects.toMatchObject({
        code: 'training-set-changed',
        message: expect.stringContaining(`${name}: then 0.`) as string,
      });
  });

  test('one set stands at a path, in one file or in two', async () => {
    await writeLabels(six);
    await exported('set.parquet');
    await expect(exported('set.parquet', { split: 0.5 })).rejects.toMatchObject({ code: 'out-exists' });
    await exported('set.parquet', { split: 0.5, overwrite: true });
    const split = ['orders.jsonl', 'set.parquet.manifest.json', 'set.test.parquet', 'set.train.parquet', 'spine.csv'];
    expect(await filesIn(folder)).toEqual(split);
    await expect(exported('set.parquet')).rejects.toMatchObject({ code: 'out-exists' });
    await expect(exported('set.parquet', { split: 0.5 })).rejects.toMatchObject({ code: 'out-exists' });
    await exported('set.parquet', { overwrite: true });
    expect(await filesIn(folder)).toEqual(['orders.jsonl', 'set.parquet', 'set.parquet.manifest.json', 'spine.csv']);
    // A file of that name which no manifest here speaks of is somebody's.
    await writeFile(join(folder, 'set.train.parquet'), 'mine');
    await exported('set.parquet', { overwrite: true });
    expect(await readFile(join(folder, 'set.train.parquet'), 'utf8')).toBe('mine');
  });

  test('an attempt that ended between the two files is completed, and a file of others is not taken for its own', async () => {
    await writeLabels(six);
    const attempt = (exportId: string) => exported('set.parquet', { split: 0.5, exportId });
    const manifest = await attempt('export:1/run');
    await rm(join(folder, 'set.test.parquet'));
    await expect(attempt('export:2/run')).rejects.toMatchObject({ code: 'out-exists' });
    expect(await attempt('export:1/run')).toEqual(manifest);
    expect(await fileHash('set.test.parquet')).toBe(manifest.split!.test.sha256);
    expect(await attempt('export:1/run')).toEqual(manifest);
    await writeFile(join(folder, 'set.test.parquet'), 'another file');
    await expect(attempt('export:1/run')).rejects.toMatchObject({ code: 'out-exists' });
    expect(await readFile(join(folder, 'set.test.parquet'), 'utf8')).toBe('another file');
  });
});

test('where the two files stand', () => {
  expect(splitPaths('/d.x/set.parquet')).toEqual({ train: '/d.x/set.train.parquet', test: '/d.x/set.test.parquet' });
  expect(splitPaths('/d.x/set')).toEqual({ train: '/d.x/set.train', test: '/d.x/set.test' });
});
