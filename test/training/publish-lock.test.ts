import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockPath, whilePublishing } from '../../engine/training/publish-lock.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-lock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('who finds others at the same path again and again is told so, and may try again', async () => {
  const path = join(folder, 'train.parquet');
  const own = join(folder, 'own');
  await mkdir(own);
  let published = false;
  // The time of this lock lies ahead: it never grows old.
  await writeFile(lockPath(path), 'another');
  await utimes(lockPath(path), Date.now() / 1000 + 3_600, Date.now() / 1000 + 3_600);
  const publish = async (): Promise<void> => {
    published = true;
  };
  const running = whilePublishing(path, own, undefined, publish, { staleMs: 20, everyMs: 1 });
  await expect(running).rejects.toMatchObject({ code: 'out-busy', retryable: true });
  expect(published).toBe(false);
  await rm(lockPath(path));
  await whilePublishing(path, own, undefined, publish, { staleMs: 20, everyMs: 1 });
  expect(published).toBe(true);
});
