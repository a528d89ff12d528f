import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keptBuild } from '../../engine/installation/kept-build.ts';

let root: string;
let builds: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-kept-'));
  builds = 0;
  mkdirSync(join(root, 'sources/inner'), { recursive: true });
  write('sources/a.ts', 'a');
  write('sources/inner/b.ts', 'b');
  write('lock.json', '1');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): void {
  writeFileSync(join(root, name), text);
}

async function built(folder = join(root, 'kept')): Promise<string> {
  const inputs = [join(root, 'sources'), join(root, 'lock.json')];
  return await keptBuild({ folder, inputs, build: () => Promise.resolve(`built ${(builds += 1)}`) });
}

test('is built once of the same sources, and again of what changed, came, went or moved', async () => {
  expect([await built(), await built()]).toEqual(['built 1', 'built 1']);
  const changes: readonly (() => void)[] = [
    () => write('sources/a.ts', 'a '),
    () => write('lock.json', '2'),
    () => write('sources/inner/c.ts', ''),
    () => rmSync(join(root, 'sources/inner/c.ts')),
    () => {
      write('sources/a.ts', 'b');
      write('sources/inner/b.ts', 'a ');
    },
  ];
  for (const change of changes) {
    change();
    await built();
  }
  // What it was before the file came is kept still.
  expect(builds).toBe(5);
});

test('keeps some of those of other sources, and nothing half written', async () => {
  for (let n = 0; n < 20; n++) {
    write('lock.json', `${n}`);
    await built();
  }
  expect(readdirSync(join(root, 'kept'))).toHaveLength(8);
  expect(await built()).toBe('built 20');
});

test('of many at once all have it whole', async () => {
  const texts = await Promise.all(Array.from({ length: 8 }, () => built()));
  expect(texts.every((text) => text.startsWith('built '))).toBe(true);
  expect(readdirSync(join(root, 'kept'))).toHaveLength(1);
});

test('is built each time where nothing can be kept; what fails to build fails', async () => {
  write('file', '');
  expect([await built(join(root, 'file')), await built(join(root, 'file', 'below'))]).toEqual(['built 1', 'built 2']);
  await expect(
    keptBuild({ folder: root, inputs: [join(root, 'sources')], build: () => Promise.reject(new Error('not code')) }),
  ).rejects.toThrow('not code');
  await expect(
    keptBuild({ folder: root, inputs: [join(root, 'none')], build: () => Promise.resolve('') }),
  ).rejects.toThrow('ENOENT');
});
