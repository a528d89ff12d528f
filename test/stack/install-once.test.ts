import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installOnce } from '../../stack/cache-dir.ts';
import { tryLock } from '../../stack/pid-lock.ts';
import { ownIdentity } from '../../config/process-identity.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-cache-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const quiet = (): void => undefined;

describe('installOnce', () => {
  it('installs once for many processes that start together', async () => {
    const log = join(dir, 'installs');
    const cache = join(dir, 'cache');
    const program = `
      import { appendFileSync, writeFileSync } from 'node:fs';
      import { installOnce } from ${JSON.stringify(join(import.meta.dirname, '../../stack/cache-dir.ts'))};
      const folder = await installOnce('thing-1', async (temporary) => {
        appendFileSync(${JSON.stringify(log)}, 'installed\\n');
        writeFileSync(temporary + '/file', 'whole');
      }, { cacheDir: ${JSON.stringify(cache)}, onProgress: () => undefined });
      console.log(folder);`;
    const run = (): Promise<{ stdout: string }> =>
      promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', program]);
    const results = await Promise.all(Array.from({ length: 6 }, run));
    expect(new Set(results.map((result) => result.stdout.trim()))).toEqual(new Set([join(cache, 'thing-1')]));
    expect(readFileSync(log, 'utf8')).toBe('installed\n');
    expect(readdirSync(cache)).toEqual(['thing-1']);
  });

  it('leaves nothing behind when the install fails, and tries again', async () => {
    const failing = installOnce('thing-1', () => Promise.reject(new Error('no network')), {
      cacheDir: dir,
      onProgress: quiet,
    });
    await expect(failing).rejects.toThrow('no network');
    expect(readdirSync(dir)).toEqual([]);
    const install = async (temporary: string): Promise<void> => writeFileSync(join(temporary, 'file'), 'whole');
    expect(readdirSync(await installOnce('thing-1', install, { cacheDir: dir, onProgress: quiet }))).toEqual(['file']);
  });

  it('takes over from an installer that was killed', async () => {
    writeFileSync(join(dir, 'thing-1.lock'), JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
    appendFileSync(join(dir, 'other'), '');
    await installOnce('thing-1', () => Promise.resolve(), { cacheDir: dir, onProgress: quiet });
    expect(readdirSync(dir).sort()).toEqual(['other', 'thing-1']);
  });
});

describe('tryLock', () => {
  it('is held until released and names its holder', () => {
    const path = join(dir, 'lock');
    const first = tryLock(path);
    expect(first).toMatchObject({ acquired: true, tookOver: false });
    expect(tryLock(path)).toEqual({ acquired: false, holder: ownIdentity() });
    if (first.acquired) first.release();
    expect(existsSync(path)).toBe(false);
  });

  it('is taken over from a process number that another process has now', () => {
    const path = join(dir, 'lock');
    writeFileSync(path, JSON.stringify({ pid: process.pid, startedAt: '1' }));
    expect(tryLock(path)).toMatchObject({ acquired: true, tookOver: true });
  });
});
