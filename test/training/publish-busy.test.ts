import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { lockPath, whilePublishing } from '../../engine/training/publish-lock.ts';

// The waits between the tries are left out: what is tried is not.
vi.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }));

test('a path at which others publish all the while is refused as busy, and their lock stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-busy-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'out.parquet');
  await writeFile(lockPath(path), 'theirs');
  const own = join(folder, 'own');
  await mkdir(own);
  const work = vi.fn<() => Promise<void>>();
  await expect(whilePublishing(path, own, undefined, work)).rejects.toMatchObject({
    code: 'out-busy',
    retryable: true,
  });
  expect(work).not.toHaveBeenCalled();
  expect(await readdir(folder)).toEqual(['.out.parquet.publishing', 'own']);
});
