import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { whileUnchanged } from '../../engine/training/unchanged-spine.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-spine-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('a spine that is changed while it is read is refused, one that is not is named by its hash', async () => {
  const path = join(folder, 'labels.jsonl');
  await writeFile(path, '{"id":1}\n');
  const file = { path, format: 'jsonl' } as Parameters<typeof whileUnchanged>[0];
  const { signal } = new AbortController();
  expect(await whileUnchanged(file, signal, async () => 'read')).toMatchObject({
    result: 'read',
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  await expect(whileUnchanged(file, signal, () => appendFile(path, '{"id":"two"}\n'))).rejects.toMatchObject({
    code: 'spine-unreadable',
    message: expect.stringContaining('changed while it was read'),
  });
});
