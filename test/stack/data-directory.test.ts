import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { openDataDir } from '../../stack/data-dir.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-data-'));
});
afterEach(() => rm(folder, { recursive: true }));

it("what a plan or a worker has made in it before does not make it somebody else's", async () => {
  const { spillDir, archiveDir } = readEnvironment({ MILLRACE_DATA_DIR: folder });
  for (const made of [spillDir, archiveDir]) await mkdir(made, { recursive: true });
  const opened = await openDataDir(folder, false, () => undefined);
  opened.release();
  (await openDataDir(folder, false, () => undefined)).release();
});

it('what nobody of Millrace makes does', async () => {
  await writeFile(join(folder, 'thesis.tex'), '');
  await expect(openDataDir(folder, false, () => undefined)).rejects.toMatchObject({ code: 'not-a-data-directory' });
});
