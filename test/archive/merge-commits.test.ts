import fc from 'fast-check';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { CommitTimeline } from '../../engine/archive/commit-timeline.ts';
import { loadCommitTimeline } from '../../engine/archive/load-commit-timeline.ts';
import { mergeCommits } from '../../engine/archive/merge-commits.ts';
import { rollCommits } from '../../engine/archive/roll-commits.ts';
import { keptSizes, type KeptSize } from '../../engine/postgres/kept-sizes.ts';
import { viewVersion, type ViewVersion } from '../../engine/postgres/view-versions.ts';
import { publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { type ArchiveWorld, openArchiveWorld } from './archive-fixture.ts';

const seed = Date.now() % 2 ** 31;
const OWN = 'f'.repeat(64);
const PARTITIONS = 3;

let world: ArchiveWorld;
beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: PARTITIONS });
});
afterEach(() => world.close());

class Crash extends Error {}

/** A version whose commit `s` takes ten offsets of each partition that its number names. */
async function versionOf(taken: readonly (readonly number[])[]): Promise<ViewVersion> {
  const { pool, broker, topic } = world;
  const version = await publishEmptyVersion(pool, spendingView({ topic }), broker.bounds(topic));
  const ends = new Map<number, number>();
  const rows = taken.flatMap((partitions, index) =>
    [...new Set(partitions)].map((partition) => {
      const from = ends.get(partition) ?? 0;
      ends.set(partition, from + 10);
      return { seq: index + 1, partition, from };
    }),
  );
  await pool.query(
    `INSERT INTO millrace_catalog.commit_record (view, version, seq, topic, partition, from_offset, until_offset, watermark_us, committed_at, fingerprint, commit_id)
     SELECT 'spending', $1, r.seq, $2, r.partition, r.from_offset, r.from_offset + 10, r.seq * 7, timestamptz '2026-01-01' + r.seq * interval '1 s', $3, r.seq * 11
     FROM unnest($4::bigint[], $5::int[], $6::bigint[]) AS r(seq, partition, from_offset)`,
    [
      version,
      topic,
      OWN,
      rows.map(({ seq }) => seq),
      rows.map(({ partition }) => partition),
      rows.map(({ from }) => from),
    ],
  );
  await pool.query('UPDATE millrace_catalog.view_version SET seq = $2 WHERE version = $1', [version, taken.length]);
  return (await viewVersion(pool, 'spending', version))!;
}

const load = (version: ViewVersion): Promise<CommitTimeline> =>
  loadCommitTimeline({ pool: world.pool, archiveDir: world.archiveDir, version });

async function sizeOf({ version }: ViewVersion): Promise<KeptSize> {
  return (await keptSizes(world.pool, 'spending')).find((size) => size.kind === 'commits' && size.version === version)!;
}

const timeOf = (seq: number): number => Date.UTC(2026, 0, 1) * 1000 + seq * 1_000_000;

/** All that is told must be what was told before; what is not must be refused by name. */
function checkTold(now: CommitTimeline, before: CommitTimeline): void {
  const ranges = now.mergedTimes().map(({ merged }) => merged);
  const standsFor = (seq: number) => ranges.find(({ fromSeq, lastSeq }) => seq >= fromSeq && seq <= lastSeq);
  expect(now.lastSeq).toBe(before.lastSeq);
  expect(now.partitions).toEqual(before.partitions);
  for (const partition of before.partitions)
    for (let offset = 0; offset < 400; offset += 5) {
      const seq = before.seqOf(partition, offset);
      expect(now.seqOf(partition, offset)).toBe(standsFor(seq)?.lastSeq ?? seq);
    }
  for (let seq = 0; seq <= before.lastSeq; seq++) {
    const range = standsFor(seq);
    const isMerged = range !== undefined && seq < range.lastSeq;
    expect(now.mergedInto(seq)).toBe(isMerged ? range.lastSeq : null);
    expect(now.committedAtUs(seq)).toBe(before.committedAtUs(range?.lastSeq ?? seq));
    if (!isMerged) expect(now.offsetsAt(seq)).toEqual(before.offsetsAt(seq));
    // Of those that were merged it is not told which were lost; the one that stands for them has kept its own.
    if (seq > 0) expect(now.fateOf(seq, BigInt(seq * 11))).toBe(isMerged ? 'merged' : 'kept');
    if (seq > 0) expect(now.fateOf(seq, 5n)).toBe(isMerged ? 'merged' : 'lost');
    if (seq > 0 && !isMerged) expect(now.visibleSinceUs(seq)).toBe(timeOf(range?.fromSeq ?? seq));
    for (const atUs of [timeOf(seq) - 1, timeOf(seq)]) {
      if (ranges.some(({ fromSeq, lastSeq }) => atUs >= timeOf(fromSeq) && atUs < timeOf(lastSeq)))
        expect(() => now.seqAt(atUs)).toThrow(expect.objectContaining({ code: 'commits-merged' }));
      else expect(now.seqAt(atUs)).toBe(before.seqAt(atUs));
    }
  }
}

test(`whatever is merged, rolled, dies or goes on at once: what is told is as it was, and what is not is refused (seed ${seed})`, async () => {
  const { pool, archiveDir } = world;
  const step = fc.record({
    does: fc.constantFrom('merge', 'merge', 'merge', 'roll', 'both'),
    keep: fc.double({ min: 0, max: 1, noNaN: true }),
    stepRows: fc.integer({ min: 1, max: 40 }),
    dies: fc.boolean(),
  });
  const commit = fc.array(fc.nat(PARTITIONS - 1), { minLength: 1, maxLength: PARTITIONS });
  await fc.assert(
    fc.asyncProperty(
      fc.array(commit, { minLength: 1, maxLength: 40 }),
      fc.array(step, { minLength: 1, maxLength: 4 }),
      async (taken, steps) => {
        const version = await versionOf(taken);
        const before = await load(version);
        const whole = (await sizeOf(version)).bytes;
        for (const { does, keep, stepRows, dies } of steps) {
          const of = { pool, view: 'spending', version: version.version };
          const keepBytes = Math.floor(whole * keep);
          const failAt = (): void => {
            if (dies) throw new Crash();
          };
          const ignoreCrash = (error: unknown): number => {
            if (!(error instanceof Crash)) throw error;
            return 0;
          };
          const work = [
            ...(does === 'roll' ? [] : [mergeCommits({ ...of, keepBytes, stepRows, failAt }).catch(ignoreCrash)]),
            ...(does === 'merge' ? [] : [rollCommits({ ...of, archiveDir, keepRows: 20, minRows: 1 })]),
          ];
          checkTold(await load(version), before);
          await Promise.all(work);
          checkTold(await load(version), before);
          if (does !== 'merge' || dies) continue;
          const size = await sizeOf(version);
          // The newest commit, and one row per partition that stands for all before it, are the least there is.
          const least = (size.bytes / size.rows) * 2 * PARTITIONS;
          expect(size.bytes).toBeLessThanOrEqual(Math.max(keepBytes, least));
        }
      },
    ),
    { numRuns: 60, seed, endOnFailure: true },
  );
});

test('merged again and again the same commit stands for all, and how much went is told', async () => {
  const version = await versionOf(Array.from({ length: 600 }, (_, index) => [index % PARTITIONS]));
  const before = await load(version);
  const first = await sizeOf(version);
  expect(first).toMatchObject({ rows: 600, droppedRows: 0, firstDroppedAtUs: null });
  for (const share of [0.8, 0.5, 0.2]) {
    const keepBytes = first.bytes * share;
    const gone = await mergeCommits({
      pool: world.pool,
      view: 'spending',
      version: version.version,
      keepBytes,
      stepRows: 50,
    });
    expect(gone).toBeGreaterThan(0);
    const size = await sizeOf(version);
    expect(size.rows).toBe(600 - size.droppedRows);
    expect(size.bytes).toBeLessThanOrEqual(keepBytes);
    expect(size.bytes).toBeGreaterThan(keepBytes * 0.9);
    expect(size.firstDroppedAtUs).not.toBeNull();
    const commits = await load(version);
    checkTold(commits, before);
    expect(commits.mergedTimes()).toMatchObject([{ fromUs: timeOf(1), merged: { fromSeq: 1, beganAtUs: timeOf(1) } }]);
  }
  expect(
    await mergeCommits({ pool: world.pool, view: 'spending', version: version.version, keepBytes: first.bytes }),
  ).toBe(0);
});

test('that other code took part is not forgotten', async () => {
  const version = await versionOf(Array.from({ length: 30 }, () => [0, 1]));
  await world.pool.query(
    `UPDATE millrace_catalog.commit_record SET fingerprint = 'other' WHERE seq = 7 AND partition = 1 AND version = $1`,
    [version.version],
  );
  await mergeCommits({ pool: world.pool, view: 'spending', version: version.version, keepBytes: 0 });
  const commits = await load(version);
  expect(commits.foreignCommits(OWN)).toEqual([
    { seq: 29, fingerprint: 'other', partition: 1, fromOffset: 0, untilOffset: 290 },
  ]);
});

test('the size that is told is about what Postgres takes', async () => {
  const { pool } = world;
  const version = await versionOf(Array.from({ length: 20_000 }, (_, index) => [index % PARTITIONS]));
  const { rows } = await pool.query<{ bytes: number }>(
    `SELECT pg_total_relation_size('millrace_catalog.commit_record')::float8 AS bytes`,
  );
  const ratio = (await sizeOf(version)).bytes / rows[0]!.bytes;
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.25);
});
