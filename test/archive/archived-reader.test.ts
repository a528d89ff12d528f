import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { codeOf } from '../kafka/log-reader-conformance.ts';
import { appendPurchases, type ArchiveWorld, asText, openArchiveWorld, readBetween } from './archive-fixture.ts';
import { namedFiles } from './archive-look.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl);
});
afterEach(() => world.close());

/** Both partitions with `count` records, archived in files of `rows`, and the topic empty up to `low`. */
async function archivedHead(count: number, rows: number, low: number): Promise<string[][]> {
  const { broker, topic, reader } = world;
  for (const partition of [0, 1]) appendPurchases(broker, topic, partition, 0, count);
  await world.archive({ roll: { rows } });
  const all = await readBetween(reader, topic, [0, 0], [count, count]);
  for (const partition of [0, 1]) broker.deleteBefore(topic, partition, low);
  return all.map((records) => records.map(asText));
}

const lines = (read: Awaited<ReturnType<typeof readBetween>>): string[][] => read.map((records) => records.map(asText));

describe('a reader that goes on into the archive', () => {
  test('starts and ends anywhere, in the archive, in the topic and across', async () => {
    const { archived, topic } = world;
    const all = await archivedHead(900, 250, 600);
    for (const [a, b, c, d] of [
      [0, 900, 0, 900],
      [599, 601, 600, 601],
      [17, 18, 333, 700],
      [650, 900, 0, 600],
      [600, 600, 899, 900],
    ] as const)
      expect(lines(await readBetween(archived, topic, [a, c], [b, d]))).toEqual([
        all[0]!.slice(a, b),
        all[1]!.slice(c, d),
      ]);
  });

  test('an endless read goes on with what is appended, and ends on abort', async () => {
    const { archived, broker, topic } = world;
    await archivedHead(100, 40, 90);
    const controller = new AbortController();
    const offsets: number[] = [];
    for await (const { records, endOffset, nextOffset } of archived.read({
      topic,
      positions: new Map([[0, 5]]),
      signal: controller.signal,
    })) {
      expect(endOffset).toBeGreaterThanOrEqual(nextOffset);
      offsets.push(...records.map(({ offset }) => offset));
      if (offsets.at(-1) === 99) appendPurchases(broker, topic, 0, 100, 120);
      if (offsets.at(-1) === 119) controller.abort();
    }
    expect(offsets).toEqual(Array.from({ length: 115 }, (_, index) => index + 5));
    const aborted = archived.read({ topic, positions: new Map([[0, 5]]), signal: controller.signal });
    expect((await aborted[Symbol.asyncIterator]().next()).done).toBe(true);
  });

  test('what the topic deletes while it is read comes from the archive', async () => {
    const { archived, broker, topic } = world;
    const all = await archivedHead(900, 300, 10);
    const seen: string[] = [];
    let deleted = false;
    for await (const { records } of archived.read({
      topic,
      positions: new Map([[0, 20]]),
      ends: new Map([[0, 900]]),
    })) {
      seen.push(...records.map(asText));
      if (!deleted) broker.deleteBefore(topic, 0, 850);
      deleted = true;
    }
    expect(seen).toEqual(all[0]!.slice(20));
  });

  test('files that are merged while they are read are found again', async () => {
    const { archived, topic, pool, archiveDir, source } = world;
    const all = await archivedHead(5_000, 1_000, 5_000);
    const seen: string[] = [];
    let merged = 0;
    for await (const { records } of archived.read({
      topic,
      positions: new Map([[0, 0]]),
      ends: new Map([[0, 5_000]]),
    })) {
      seen.push(...records.map(asText));
      if (merged === 0)
        ({ merged } = await compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 2 }));
    }
    expect(merged).toBeGreaterThan(5);
    expect(seen).toEqual(all[0]);
  });

  test('recordAt finds archived records; null where there is none', async () => {
    const { archived, broker, topic } = world;
    broker.appendControl(topic, 0, 2);
    const all = await archivedHead(50, 20, 52);
    const read = await archived.recordAt(topic, 0, 7);
    expect(asText(read!)).toBe(all[0]![5]);
    for (const offset of [1, 52, 1_000]) expect(await archived.recordAt(topic, 0, offset)).toBeNull();
  });

  test('control records at the end of the archive are no hole', async () => {
    const { archived, broker, topic } = world;
    appendPurchases(broker, topic, 0, 0, 10);
    await world.archive();
    broker.appendControl(topic, 0, 3);
    expect(await world.archive()).toMatchObject({ records: 0, lag: 0 });
    broker.deleteBefore(topic, 0, 13);
    expect((await archived.bounds(topic)).partitions[0]).toMatchObject({ lowOffset: 0, endOffset: 13 });
    expect((await readBetween(archived, topic, [0], [13]))[0]).toHaveLength(10);
  });

  test('a hole is named with its offsets and why; the log reaches back to it', async () => {
    const { archived, broker, topic } = world;
    appendPurchases(broker, topic, 0, 0, 30);
    broker.deleteBefore(topic, 0, 10);
    expect(await world.archive()).toMatchObject({
      holes: [{ partition: 0, fromOffset: 0, untilOffset: 10, reason: 'before-archiving' }],
    });
    appendPurchases(broker, topic, 0, 30, 60);
    broker.deleteBefore(topic, 0, 40);
    expect(await world.archive()).toMatchObject({
      records: 20,
      holes: [{ partition: 0, fromOffset: 30, untilOffset: 40, reason: 'retention' }],
    });
    broker.deleteBefore(topic, 0, 55);
    expect((await archived.bounds(topic)).partitions[0]?.lowOffset).toBe(40);
    expect((await readBetween(archived, topic, [40], [60]))[0]).toHaveLength(20);
    await expect(readBetween(archived, topic, [3], [60])).rejects.toMatchObject({
      code: 'log-hole',
      message: 'purchases, partition 0, offsets 3 to 9: they were gone when archiving began',
      details: { topic, partition: 0, fromOffset: 3, untilOffset: 10 },
    });
    await expect(readBetween(archived, topic, [20], [60])).rejects.toMatchObject({
      code: 'log-hole',
      message: 'purchases, partition 0, offsets 30 to 39: retention deleted them before they were archived',
    });
  });

  test('a file that is gone, cut off or changed is named with its offsets; nothing of it is given', async () => {
    const { archived, topic, pool, archiveDir, source } = world;
    await archivedHead(300, 100, 300);
    const [first] = await namedFiles(pool, source.name);
    const file = join(archiveDir, first!);
    const whole = await readFile(file);
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1]! ^= 1;
    const tries: readonly [string, () => Promise<void>][] = [
      ['archive-file-damaged', () => truncate(file, whole.length - 7)],
      ['archive-file-damaged', () => writeFile(file, flipped)],
      ['archive-file-damaged', () => writeFile(file, '')],
      ['archive-file-missing', () => rm(file)],
    ];
    for (const [code, harm] of tries) {
      await harm();
      await expect(readBetween(archived, topic, [0, 0], [300, 300])).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`${file} `) as string,
        details: { path: file, topic, partition: 0, fromOffset: 0 },
      });
      expect(await codeOf(archived.recordAt(topic, 0, 0))).toBe(code);
      expect(
        await codeOf(compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 2 })),
      ).toBe(code);
      await writeFile(file, whole);
    }
    expect((await readBetween(archived, topic, [0, 0], [300, 300])).map(({ length }) => length)).toEqual([300, 300]);
  });

  test('a topic that was made again is not given the records of the one before', async () => {
    const { archived, broker, topic } = world;
    await archivedHead(100, 40, 60);
    broker.createTopic(topic, 2);
    appendPurchases(broker, topic, 0, 500, 560);
    expect((await archived.bounds(topic)).partitions[0]).toEqual({ partition: 0, lowOffset: 0, endOffset: 60 });
    expect((await readBetween(archived, topic, [0], [60]))[0]).toHaveLength(60);
    expect(await codeOf(world.archive())).toBe('topic-recreated');
    broker.deleteBefore(topic, 0, 40);
    expect(await codeOf(archived.bounds(topic))).toBe('topic-recreated');
    expect(await codeOf(readBetween(archived, topic, [0], [60]))).toBe('topic-recreated');
    // Grown beyond what was archived: the record at the archive's end tells.
    appendPurchases(broker, topic, 0, 560, 700);
    appendPurchases(broker, topic, 1, 0, 200);
    expect(await codeOf(archived.bounds(topic))).toBe('topic-recreated');
    expect(await codeOf(world.archive())).toBe('topic-recreated');
  });

  test('the archive of another cluster is not mixed in', async () => {
    const { archived, broker, topic } = world;
    await archivedHead(100, 40, 60);
    broker.clusterId = 'another-cluster';
    expect((await archived.bounds(topic)).partitions[0]?.lowOffset).toBe(60);
    expect(await codeOf(readBetween(archived, topic, [0], [100]))).toBe('offset-out-of-range');
    expect(await codeOf(world.archive())).toBe('topic-recreated');
  });
});

describe('compactArchive', () => {
  test('merges neighbours of the same columns, moves no large file, and keeps the bytes', async () => {
    const { broker, topic, pool, archiveDir, source, reader, archived } = world;
    const compact = (more: { minFiles?: number; targetBytes?: number } = {}) =>
      compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 3, ...more });
    expect(await compact()).toEqual({ merged: 0, into: 0, swept: 0 });
    for (const round of [0, 1, 2, 3, 4, 5]) {
      appendPurchases(broker, topic, 0, round * 100, round * 100 + 100);
      // From the fourth on the contract names a header: other columns.
      await world.archive(round < 3 ? {} : { source: { ...source, headers: ['trace_id'] } });
    }
    const all = lines(await readBetween(reader, topic, [0], [600]));
    expect(await compact({ minFiles: 7 })).toMatchObject({ merged: 0 });
    expect(await compact({ targetBytes: 10_000 })).toMatchObject({ merged: 0 });
    expect(await compact()).toEqual({ merged: 6, into: 2, swept: 0 });
    expect(await compact({ minFiles: 2 })).toEqual({ merged: 0, into: 0, swept: 0 });
    expect(await namedFiles(pool, source.name)).toHaveLength(2);
    broker.deleteBefore(topic, 0, 600);
    expect(lines(await readBetween(archived, topic, [0], [600]))).toEqual(all);
  });

  test('removes nothing that may be all there is: files of other databases, and offsets that no row names', async () => {
    const { broker, topic, pool, archiveDir, source } = world;
    appendPurchases(broker, topic, 0, 0, 300);
    await world.archive({ roll: { rows: 100 } });
    const named = await namedFiles(pool, source.name);
    const folder = join(archiveDir, source.name);
    const other = 'ffffffff-20260101T000000Z-x.parquet';
    await copyFile(join(archiveDir, named[0]!), join(folder, other));
    await writeFile(join(folder, 'notes.txt'), 'mine');
    // As after a restore of an older database: the newest file's rows are gone from it.
    await pool.query('DELETE FROM millrace_catalog.archive_file WHERE path = $1', [named.at(-1)]);
    const compact = () =>
      compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 99, temporaryForMs: 0 });
    expect(await compact()).toEqual({ merged: 0, into: 0, swept: 0 });
    const left = [...named.map((path) => path.slice(source.name.length + 1)), other, 'notes.txt'].sort();
    expect((await readdir(folder)).sort()).toEqual(left);
    const status = await archiveStatus({ pool, source, reader: world.reader });
    expect(status.partitions[0]!.holes).toMatchObject([{ reason: 'not-named', untilOffset: 300 }]);
  });
});
