import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { outError } from '../../engine/training/out-error.ts';
import { lockPath } from '../../engine/training/publish-lock.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { exportSmall, ORDER } from './small-service.ts';
import { testFolder } from './training-fixture.ts';

const DAYS_AGO_S = 3 * 86_400;

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await testFolder();
  out = join(folder, 'train.parquet');
  await writeFile(join(folder, 'orders.jsonl'), `${JSON.stringify(ORDER)}\n`);
  await labels(3);
});

async function labels(rows: number): Promise<void> {
  const lines = Array.from({ length: rows }, (_, n) => `a,2001-06-0${n + 2}T00:00:00Z\n`);
  await writeFile(join(folder, 'spine.csv'), `shop,event_timestamp\n${lines.join('')}`);
}

const exported = (more: Partial<TrainingOptions>): Promise<TrainingManifest> =>
  exportSmall(folder, 'spine.csv', { out, ...more });

async function hidden(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('.')).toSorted();
}

/** The manifest that stands there; it must speak of the file that stands there. */
async function agreed(): Promise<TrainingManifest> {
  const manifest = JSON.parse(await readFile(`${out}.manifest.json`, 'utf8')) as TrainingManifest;
  const sha256 = createHash('sha256')
    .update(await readFile(out))
    .digest('hex');
  expect(manifest.sha256).toBe(sha256);
  return manifest;
}

const markOf = (exportId: string): string => createHash('sha256').update(exportId).digest('hex').slice(0, 16);

/** As a process that was killed at it leaves it. */
async function leftPartial(name: string, ageS = 0): Promise<void> {
  const partial = join(folder, name);
  await mkdir(partial);
  await writeFile(join(partial, 'rows.parquet'), 'half of a file');
  const at = Date.now() / 1000 - ageS;
  await utimes(join(partial, 'rows.parquet'), at, at);
  await utimes(partial, at, at);
}

describe('an attempt after one that was killed', () => {
  test('gives what that one published, and makes nothing anew', async () => {
    const first = await exported({ exportId: 'export:1/run' });
    const { mtimeMs, ino } = await stat(out);
    expect(await exported({ exportId: 'export:1/run' })).toEqual(first);
    expect(await stat(out)).toMatchObject({ mtimeMs, ino });
    expect(await exported({ exportId: 'export:1/run', overwrite: true })).toEqual(first);
    await expect(exported({ exportId: 'export:2/run' })).rejects.toMatchObject({ code: 'out-exists' });
    await expect(exported({})).rejects.toMatchObject({ code: 'out-exists' });
  });

  test('does not take another file for its own, whatever its manifest says', async () => {
    await exported({ exportId: 'export:1/run' });
    await writeFile(out, 'another file');
    await expect(exported({ exportId: 'export:1/run' })).rejects.toMatchObject({ code: 'out-exists' });
    expect(await readFile(out, 'utf8')).toBe('another file');
    await exported({ exportId: 'export:1/run', overwrite: true });
    await agreed();
  });

  test('completes what stopped between manifest and file', async () => {
    await exported({ exportId: 'export:0/run' });
    const manifest = await readFile(`${out}.manifest.json`);
    const other = join(folder, 'other.parquet');
    await writeFile(`${other}.manifest.json`, manifest);
    await exportSmall(folder, 'spine.csv', { out: other, exportId: 'export:1/run' });
    expect(JSON.parse(await readFile(`${other}.manifest.json`, 'utf8'))).toMatchObject({ export: 'export:1/run' });
  });

  test("removes that one's partial files, and what is older than any attempt, but not what others are at", async () => {
    await leftPartial(`.train.parquet.partial-${markOf('export:1/run')}-aaaaaa`);
    await leftPartial(`.train.parquet.partial-${markOf('export:2/run')}-bbbbbb`);
    await leftPartial(`.train.parquet.partial-${markOf('export:3/run')}-cccccc`, DAYS_AGO_S);
    await leftPartial('.train.parquet.partial-dddddd', DAYS_AGO_S);
    await leftPartial(`.other.parquet.partial-${markOf('export:1/run')}-eeeeee`, DAYS_AGO_S);
    await exported({ exportId: 'export:1/run' });
    expect(await hidden()).toEqual([
      `.other.parquet.partial-${markOf('export:1/run')}-eeeeee`,
      `.train.parquet.partial-${markOf('export:2/run')}-bbbbbb`,
    ]);
    await agreed();
  });
});

describe('two exports to one path', () => {
  test('at once: one wins, the others are refused, and what stands there is the one that won', async () => {
    const ids = ['export:1/run', 'export:2/run', 'export:3/run', 'export:4/run'];
    const ended = await Promise.allSettled(ids.map((exportId) => exported({ exportId })));
    const won = ended.flatMap((end, index) => (end.status === 'fulfilled' ? [ids[index]] : []));
    expect(won).toHaveLength(1);
    for (const end of ended) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'out-exists' });
    expect((await agreed()).export).toBe(won[0]);
    expect(await hidden()).toEqual([]);
  });

  test('that may overwrite each other: both end, and manifest and file are of the same one', async () => {
    const ids = ['export:1/run', 'export:2/run', 'export:3/run'];
    await Promise.all(ids.map((exportId) => exported({ exportId, overwrite: true })));
    expect(ids).toContain((await agreed()).export);
    await labels(2);
    await exported({ exportId: 'export:9/run', overwrite: true });
    expect(await agreed()).toMatchObject({ export: 'export:9/run', rows: 2 });
    expect(await hidden()).toEqual([]);
  });

  test('of which one died while it published: its lock is taken over once it is old', async () => {
    await writeFile(lockPath(out), '0');
    const long = Date.now() / 1000 - 3_600;
    await utimes(lockPath(out), long, long);
    await exported({ exportId: 'export:1/run' });
    expect((await agreed()).export).toBe('export:1/run');
    expect(await hidden()).toEqual([]);
  });

  test('of which one is publishing: the other waits for it, and an abort ends the wait', async () => {
    await writeFile(lockPath(out), '0');
    const abort = new AbortController();
    const waiting = exported({ exportId: 'export:1/run', signal: abort.signal });
    void waiting.catch(() => undefined);
    // Whoever asks for the lock has one to give, in a folder of its own.
    await vi.waitFor(
      async () =>
        expect(await readdir(folder, { recursive: true })).toContainEqual(expect.stringMatching(/partial-.*\/lock$/)),
      { timeout: 60_000 },
    );
    abort.abort(new Error('stopped by the test'));
    await expect(waiting).rejects.toThrow('stopped by the test');
    await expect(stat(out)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await hidden()).toEqual(['.train.parquet.publishing']);
  });
});

describe('the folder it is written to', () => {
  // Needs the right to mount, as root in a container mostly has.
  test('without space is named as such, not as the spill folder, and waited for; an attempt succeeds when there is room', async (context) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    if (spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', disk]).status !== 0)
      context.skip('no right to mount a small disk here');
    try {
      out = join(disk, 'train.parquet');
      const lines = Array.from({ length: 5_000 }, () => `a,2001-06-02T00:00:00Z,${randomUUID()}\n`);
      await writeFile(join(folder, 'spine.csv'), `shop,event_timestamp,label\n${lines.join('')}`);
      await expect(exported({ exportId: 'export:1/run' })).rejects.toMatchObject({
        code: 'out-full',
        waits: true,
        message: expect.stringContaining(out) as string,
      });
      expect(await readdir(disk)).toEqual([]);
      expect(spawnSync('/bin/mount', ['-o', 'remount,size=8m', disk]).status).toBe(0);
      expect((await exported({ exportId: 'export:1/run' })).rows).toBe(5_000);
      await agreed();
    } finally {
      spawnSync('/bin/umount', [disk]);
    }
  });

  test('which may not be written to, or is away, is told apart', () => {
    const told = (code: string): unknown => outError(Object.assign(new Error(code), { code }), out);
    expect(told('EACCES')).toMatchObject({ code: 'out-not-writable', retryable: false });
    for (const code of ['ESTALE', 'EIO', 'ENOTCONN', 'EROFS'])
      expect(told(code)).toMatchObject({ code: 'out-away', waits: true });
    const spill = new MillraceError('spill-folder-full', 'DuckDB could not spill to "/spill/x"', {
      remedy: 'Free it.',
    });
    expect(outError(spill, out)).toBe(spill);
  });
});
