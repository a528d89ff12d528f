import fc from 'fast-check';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import type { ArchiveFailPoint } from '../../engine/archive/archive-options.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ArchiveWorld, asText, nextFence, openArchiveWorld, purchase, readBetween } from './archive-fixture.ts';
import { filesOnDisk, manifestRanges, namedFiles } from './archive-look.ts';

const POINTS: readonly ArchiveFailPoint[] = [
  'after-fetch',
  'after-write',
  'after-rename',
  'after-cas',
  'before-commit',
  'after-commit',
];
const PARTITIONS = 3;
// A failure is reported at once, with its seed: shrinking takes longer than a test may.
const seed = Date.now() % 2 ** 31;

class Crash extends Error {}

let world: ArchiveWorld;
let batch = 10;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: PARTITIONS, batchSize: () => batch });
});
afterEach(() => world.close());

/** An archiver, or a compaction, that dies at the n-th time it comes by a point. */
const life = fc.record({
  compacts: fc.boolean(),
  point: fc.constantFrom(...POINTS),
  after: fc.nat(4),
  rows: fc.integer({ min: 5, max: 60 }),
  append: fc.array(
    fc.record({ partition: fc.nat(PARTITIONS - 1), count: fc.integer({ min: 1, max: 40 }), control: fc.boolean() }),
    { maxLength: 4 },
  ),
  /** Whether the next one starts while this one still runs. */
  overlaps: fc.boolean(),
});

test(`archivers that die anywhere, two at once, and merges in between: each offset once, bytes as in the topic (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(life, { minLength: 3, maxLength: 10 }),
      fc.integer({ min: 1, max: 30 }),
      async (lives, size) => {
        const { broker, pool, archiveDir, source } = world;
        batch = size;
        const topic = `t${nextFence().generation}`;
        const own = { ...source, name: `s_${topic}`, topic };
        broker.createTopic(topic, PARTITIONS);
        const running: Promise<unknown>[] = [];
        let appended = 0;
        for (const { append, point, after, rows, overlaps, compacts } of lives) {
          for (const { partition, count, control } of append) {
            broker.append(
              topic,
              partition,
              Array.from({ length: count }, () => purchase(appended++)),
            );
            if (control) broker.appendControl(topic, partition, 1);
          }
          let passed = 0;
          const die = (at: string): void => {
            if (at === point && passed++ >= after) throw new Crash();
          };
          const work = compacts
            ? compactArchive({ source: own.name, pool, archiveDir, clock: systemClock, minFiles: 2, failAt: die })
            : world.archive({ source: own, roll: { rows }, failAt: die });
          const ended = work.catch((error: unknown) => {
            if (!(error instanceof Crash)) throw error;
          });
          running.push(ended);
          if (!overlaps) await Promise.all(running);
        }
        await Promise.all(running);
        expect(await world.archive({ source: own, roll: { rows: 30 } })).toMatchObject({
          ended: 'present-end',
          lag: 0,
          holes: [],
        });
        const ends = broker.bounds(topic).partitions.map(({ endOffset }) => endOffset);
        const read = await readBetween(world.reader, topic, [0, 0, 0], ends);
        const expected = read.map((records) => records.map(asText));
        const check = async (): Promise<void> => {
          const ranges = await manifestRanges(pool, own.name);
          for (const [partition, end] of ends.entries()) {
            const mine = ranges.filter((range) => range.partition === partition);
            expect([0, ...mine.map((range) => range.until)]).toEqual([...mine.map((range) => range.from), end]);
          }
          // What a person sees who reads the named files with any reader.
          expect(await filesOnDisk(archiveDir, await namedFiles(pool, own.name), PARTITIONS)).toEqual(expected);
        };
        await check();
        for (const [partition, end] of ends.entries()) broker.deleteBefore(topic, partition, Math.max(end - 2, 0));
        const archived = await readBetween(world.archived, topic, [0, 0, 0], ends);
        expect(archived.map((records) => records.map(asText))).toEqual(expected);
        await compactArchive({
          source: own.name,
          pool,
          archiveDir,
          clock: systemClock,
          minFiles: 2,
          temporaryForMs: 0,
        });
        await check();
        const left = await readdir(join(archiveDir, own.name)).catch(() => []);
        expect(left.map((name) => `${own.name}/${name}`).sort()).toEqual((await namedFiles(pool, own.name)).sort());
      },
    ),
    { numRuns: 10, seed, endOnFailure: true },
  );
}, 300_000);
