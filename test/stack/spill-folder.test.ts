import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSpillFolder } from '../../config/spill-folder.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-spill-test-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('keeps what living processes spilled, and removes what killed ones left', async () => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(other, 'spawn');
  const theirs = openSpillFolder(root, other.pid);
  writeFileSync(join(theirs.path, 'spilled'), 'x');
  const own = openSpillFolder(root);
  const second = openSpillFolder(root);
  expect(own.path).not.toBe(second.path);
  expect(existsSync(join(theirs.path, 'spilled'))).toBe(true);
  other.kill('SIGKILL');
  await once(other, 'exit');
  const third = openSpillFolder(root);
  expect(existsSync(theirs.path)).toBe(false);
  for (const folder of [own, second, third]) {
    expect(existsSync(folder.path)).toBe(true);
    folder.remove();
  }
  expect(readdirSync(root)).toEqual([]);
});

it('names the setting where it may not write', () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  expect(() => openSpillFolder(file)).toThrow(
    expect.objectContaining({
      code: 'spill-folder-not-writable',
      remedy: expect.stringContaining('MILLRACE_SPILL_DIR'),
    }),
  );
});

it('leaves alone what it cannot tell the owner of', () => {
  const elsewhere = ['b3RoZXItaG9zdA.1.MQ.1', 'notes'];
  for (const name of elsewhere) mkdirSync(join(root, name));
  openSpillFolder(root).remove();
  expect(readdirSync(root).sort()).toEqual(elsewhere.sort());
});
