import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { newerFilesBy, newerFilesText } from '../../cli/newer-files.ts';
import type { ViewVersion } from '../../engine/postgres/view-versions.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-newer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const definition = `import { entity, featureView, source } from 'millrace';\nimport { z } from 'zod';
  const days = source('days', { schema: z.object({ at: z.iso.datetime(), id: z.string() }), eventTime: 'at', history: { path: 'data/**/*.csv' } });
  export const daily = featureView('daily', { entity: entity('thing', { id: z.string() }), source: days, features: (f) => ({ n: f.count() }) });`;

function versionOf(names: readonly string[], view = 'daily'): Pick<ViewVersion, 'view' | 'history'> {
  const files = names.map((name) => ({ name, path: `/elsewhere/${name}`, sizeBytes: 1 }));
  return { view, history: { files } };
}

test('status says how many files of a history the served version does not name', async () => {
  const features = join(root, 'features');
  mkdirSync(features);
  mkdirSync(join(root, 'data/country=NL'), { recursive: true });
  writeFileSync(join(features, 'daily.ts'), definition);
  const version = versionOf(['a.csv', 'country=NL/b.csv']);
  expect(await newerFilesBy(features)(version)).toBeNull();
  for (const name of ['a.csv', 'country=NL/b.csv']) writeFileSync(join(root, 'data', name), 'id,at\n');
  expect(await newerFilesBy(features)(version)).toBe(0);
  for (const name of ['0.csv', 'country=NL/c.csv']) writeFileSync(join(root, 'data', name), 'id,at\n');
  expect(await newerFilesBy(features)(version)).toBe(2);
  expect(await newerFilesBy(features)(versionOf([]))).toBe(0);
  expect(await newerFilesBy(features)(versionOf(['a.csv'], 'another'))).toBeNull();
  expect(await newerFilesBy(join(root, 'nothing-here'))(version)).toBeNull();
});

test('and in words, where there is something to say', () => {
  expect(newerFilesText(null, 'daily')).toBeNull();
  expect(newerFilesText(0, 'daily')).toBeNull();
  expect(newerFilesText(1, 'daily')).toBe(
    '1 file not in this version: the next one reads it (millrace rebackfill daily)',
  );
  expect(newerFilesText(30, 'daily')).toBe(
    '30 files not in this version: the next one reads them (millrace rebackfill daily)',
  );
});
