import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { archiveWriteError } from '../../engine/archive/archive-errors.ts';
import { openArchiveFolder } from '../../engine/archive/archive-mark.ts';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { appendPurchases, type ArchiveWorld, openArchiveWorld } from './archive-fixture.ts';
import { manifestRanges, namedFiles } from './archive-look.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl);
});
afterEach(() => world.close());

describe("an archive's disk", () => {
  test('a folder that cannot be written to is named, and nothing counts as archived', async () => {
    const { broker, topic, pool, source, reader } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    const folder = await mkdtemp(join(tmpdir(), 'millrace-unwritable-'));
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    const half = join(folder, 'half');
    await mkdir(half);
    await writeFile(join(half, source.name), 'a file where the folder of the source should be');
    for (const archiveDir of [file, join(file, 'below'), half]) {
      await expect(world.archive({ archiveDir })).rejects.toMatchObject({
        code: 'archive-not-writable',
        retryable: false,
      });
    }
    expect(await namedFiles(pool, source.name)).toEqual([]);
    expect((await archiveStatus({ pool, source, reader })).partitions[0]).toMatchObject({ lag: 10, ranges: [] });
    await rm(folder, { recursive: true });
    expect(await world.archive()).toMatchObject({ records: 10 });
  });

  test.each(['ESTALE', 'EIO', 'ENOENT', 'ENOTCONN', 'ETIMEDOUT'])(
    'a disk that is away (%s) is waited for, and said; nothing is lost and nothing doubled',
    async (code) => {
      const { broker, topic, pool, source } = world;
      appendPurchases(broker, topic, 0, 0, 10);
      let failed = 0;
      const seen = new Set<string>();
      const result = await world.archive({
        limits: { retryMinMs: 1, retryMaxMs: 2 },
        failAt: (point) => {
          const away = Object.assign(new Error(`${code}: a disk that is away`), { code, path: '/archive/x' });
          if (point === 'after-write' && ++failed <= 12) throw archiveWriteError(away, '/archive/x');
        },
        onProgress: ({ state, waiting }) => seen.add(`${state} ${waiting?.code ?? ''}`),
      });
      expect(failed).toBe(13);
      expect(seen).toContain('waiting archive-away');
      expect(result).toMatchObject({ ended: 'present-end', records: 10, lag: 0, holes: [] });
      expect(await manifestRanges(pool, source.name)).toMatchObject([{ from: 0, until: 10 }]);
    },
  );

  test('a folder that cannot be made ends the run that asks, with what it waits for', async () => {
    const { broker, topic, pool, source } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    const limits = { retryMinMs: 1, retryMaxMs: 2, tellWaitAfterMs: 50 };
    expect(await world.archive({ archiveDir: '/proc/millrace', limits, waiting: null })).toMatchObject({
      ended: 'deadline',
      records: 0,
      waiting: { code: 'archive-away' },
    });
    expect(await namedFiles(pool, source.name)).toEqual([]);
    expect(await world.archive()).toMatchObject({ records: 10, waiting: null });
  });

  test('an empty folder where the archive was is not written to: it is waited for, and goes on when the disk is back', async () => {
    const { broker, topic, pool, source, archiveDir } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    await world.archive();
    const limits = { retryMinMs: 1, retryMaxMs: 2, tellWaitAfterMs: 50 };
    const aside = `${archiveDir}-aside`;
    await rename(archiveDir, aside);
    await mkdir(archiveDir);
    appendPurchases(broker, topic, 0, 100, 110);
    const away = await world.archive({ limits, waiting: null });
    expect(away).toMatchObject({ ended: 'deadline', records: 0, waiting: { code: 'archive-away' } });
    expect(away.waiting!.message).toContain(`${archiveDir} is not the archive that was written to before`);
    const named = { code: 'archive-away', waits: true };
    await expect(compactArchive({ source: source.name, pool, archiveDir, clock: systemClock })).rejects.toMatchObject(
      named,
    );
    await expect(openArchiveFolder(pool, archiveDir)).rejects.toMatchObject(named);
    expect(await readdir(archiveDir)).toEqual([]);
    await rm(archiveDir, { recursive: true });
    await rename(aside, archiveDir);
    expect(await world.archive({ limits })).toMatchObject({ records: 10, holes: [] });
    expect(await manifestRanges(pool, source.name)).toMatchObject([
      { from: 0, until: 10 },
      { from: 10, until: 20 },
    ]);
  });

  test('a disk that goes while a file is about to be written takes nothing with it, either', async () => {
    const { broker, topic, pool, source, archiveDir } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    await world.archive();
    appendPurchases(broker, topic, 0, 100, 110);
    const aside = `${archiveDir}-aside`;
    let gone = false;
    const result = await world.archive({
      limits: { retryMinMs: 1, retryMaxMs: 2 },
      failAt: async (point) => {
        if (point !== 'after-fetch' || gone) return;
        gone = true;
        await rename(archiveDir, aside);
        await mkdir(archiveDir);
      },
      onProgress: ({ state, waiting }) => {
        if (state !== 'waiting' || waiting?.code !== 'archive-away' || !existsSync(aside)) return;
        expect(readdirSync(archiveDir)).toEqual([]);
        rmSync(archiveDir, { recursive: true });
        renameSync(aside, archiveDir);
      },
    });
    expect(result).toMatchObject({ ended: 'present-end', records: 10, lag: 0, holes: [] });
    expect(await namedFiles(pool, source.name)).toHaveLength(2);
  });

  test('a copy without the mark, and an archive from before there were marks, are known by the newest file; an empty folder is not', async () => {
    const { broker, topic, pool, archiveDir } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    await world.archive();
    const marks = async (): Promise<string[]> =>
      (await readdir(archiveDir)).filter((name) => name.startsWith('.archive-'));
    const [mark] = await marks();
    await rm(join(archiveDir, mark!));
    await openArchiveFolder(pool, archiveDir);
    expect(await marks()).toEqual([mark]);
    await rm(join(archiveDir, mark!));
    await pool.query(`DELETE FROM millrace_catalog.archive_source WHERE source = '.folder'`);
    await expect(openArchiveFolder(pool, `${archiveDir}-other`)).rejects.toMatchObject({ code: 'archive-away' });
    await Promise.all(Array.from({ length: 5 }, () => openArchiveFolder(pool, archiveDir)));
    expect(await marks()).toHaveLength(1);
    expect(await marks()).not.toEqual([mark]);
    // Lost for good, and to be gone on with all the same: somebody says so.
    const [now] = await marks();
    await mkdir(`${archiveDir}-other`);
    await writeFile(join(`${archiveDir}-other`, now!), '');
    await openArchiveFolder(pool, `${archiveDir}-other`);
  });

  // Needs the right to mount, as root in a container mostly has.
  test('a full disk is waited for, and archiving goes on by itself when there is room', async (context) => {
    const { broker, topic, pool, source } = world;
    const disk = await mkdtemp(join(tmpdir(), 'millrace-full-'));
    if (spawnSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status !== 0) {
      await rm(disk, { recursive: true });
      context.skip('no right to mount a small disk here');
    }
    try {
      const noise = Array.from({ length: 40 }, () => ({
        value: Buffer.from(crypto.getRandomValues(new Uint8Array(20_000))),
      }));
      broker.append(topic, 0, noise);
      let waits = 0;
      const running = world.archive({
        archiveDir: disk,
        limits: { retryMinMs: 1, retryMaxMs: 20 },
        onProgress: ({ state, waiting }) => {
          if (state !== 'waiting' || waiting?.code !== 'archive-full' || ++waits !== 10) return;
          expect(spawnSync('/bin/mount', ['-o', 'remount,size=8m', disk]).status).toBe(0);
        },
      });
      expect(await running).toMatchObject({ ended: 'present-end', records: 40, lag: 0 });
      expect(waits).toBeGreaterThanOrEqual(10);
      expect((await readdir(join(disk, source.name))).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect(await namedFiles(pool, source.name)).toHaveLength(1);
    } finally {
      spawnSync('/bin/umount', [disk]);
      await rm(disk, { recursive: true });
    }
  });
});
