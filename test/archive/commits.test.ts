import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { CommitRow, CommitTimeline } from '../../engine/archive/commit-timeline.ts';
import { openCommitDuckDb } from '../../engine/archive/commit-file.ts';
import { quoteText } from '../../engine/duckdb/duckdb.ts';
import { TimelineBuilder } from '../../engine/archive/timeline-builder.ts';
import { loadCommitTimeline } from '../../engine/archive/load-commit-timeline.ts';
import { rollCommits } from '../../engine/archive/roll-commits.ts';
import { viewVersion, type ViewVersion } from '../../engine/postgres/view-versions.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { codeOf } from '../kafka/log-reader-conformance.ts';
import { publishEmptyVersion } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { appendPurchases, type ArchiveWorld, openArchiveWorld } from './archive-fixture.ts';

const seed = Date.now() % 2 ** 31;
const OWN = 'f'.repeat(64);

function timeline(
  rows: readonly Partial<CommitRow>[],
  cut: readonly (readonly [number, number])[] = [],
): CommitTimeline {
  const partitions = cut.map(([partition, endOffset]) => ({ partition, endOffset }));
  const builder = new TimelineBuilder({ view: 'v', version: 1, commitId: '77', cut: { partitions } }, OWN);
  for (const row of rows)
    builder.add({
      seq: 0,
      partition: 0,
      fromOffset: 0,
      untilOffset: 0,
      committedAtUs: 0,
      fingerprint: OWN,
      commitId: null,
      ...row,
    });
  return builder.build();
}

describe('a timeline of commits', () => {
  test('knows the commit of each offset, over several partitions and one that was added', () => {
    const commits = timeline(
      [
        { seq: 1, partition: 0, fromOffset: 10, untilOffset: 15, committedAtUs: 100 },
        { seq: 1, partition: 1, fromOffset: 5, untilOffset: 6, committedAtUs: 100 },
        { seq: 2, partition: 1, fromOffset: 6, untilOffset: 9, committedAtUs: 90, fingerprint: 'other' },
        { seq: 3, partition: 2, fromOffset: 0, untilOffset: 4, committedAtUs: 300, fingerprint: null },
        { seq: 4, partition: 0, fromOffset: 15, untilOffset: 16, committedAtUs: 300 },
      ],
      [
        [0, 10],
        [1, 5],
        [3, 0],
      ],
    );
    expect(commits.lastSeq).toBe(4);
    expect(commits.partitions).toEqual([0, 1, 2, 3]);
    expect([0, 9, 10, 14, 15, 16].map((offset) => commits.seqOf(0, offset))).toEqual([0, 0, 1, 1, 4, Infinity]);
    expect([4, 5, 6, 8, 9].map((offset) => commits.seqOf(1, offset))).toEqual([0, 1, 2, 2, Infinity]);
    expect([0, 3, 4].map((offset) => commits.seqOf(2, offset))).toEqual([3, 3, Infinity]);
    expect(commits.seqOf(3, 0)).toBe(Infinity);
    expect(commits.seqOf(9, 0)).toBe(Infinity);
    expect(commits.commitAt(0, 3)).toEqual({ seq: 0, untilOffset: 10 });
    expect(commits.commitAt(0, 12)).toEqual({ seq: 1, untilOffset: 15 });
    expect(commits.offsetsAt(0).map(({ endOffset }) => endOffset)).toEqual([10, 5, 0, 0]);
    expect(commits.offsetsAt(2).map(({ endOffset }) => endOffset)).toEqual([15, 9, 0, 0]);
    expect(commits.offsetsAt(4).map(({ endOffset }) => endOffset)).toEqual([16, 9, 4, 0]);
    // A clock that was set back does not make a commit visible before an earlier one.
    expect([99, 100, 299, 300].map((at) => commits.seqAt(at))).toEqual([0, 2, 2, 4]);
    expect([0, 1, 2, 3].map((seq) => commits.committedAtUs(seq))).toEqual([-Infinity, 100, 100, 300]);
    expect(() => commits.committedAtUs(5)).toThrow(expect.objectContaining({ code: 'unknown-commit' }));
    expect(commits.foreignCommits(OWN)).toEqual([
      { seq: 2, fingerprint: 'other', partition: 1, fromOffset: 6, untilOffset: 9 },
    ]);
  });

  test('refuses commits of which some are missing', () => {
    const missing = expect.objectContaining({ code: 'commits-missing' }) as unknown;
    const cut = [[0, 10]] as const;
    const first = { seq: 1, fromOffset: 10, untilOffset: 15 };
    expect(() => timeline([first, { seq: 3, fromOffset: 15, untilOffset: 16 }], cut)).toThrow(missing);
    expect(() => timeline([first, { seq: 2, fromOffset: 16, untilOffset: 17 }], cut)).toThrow(missing);
    expect(() => timeline([{ seq: 1, fromOffset: 11, untilOffset: 15 }], cut)).toThrow(missing);
    expect(() => timeline([{ seq: 1, partition: 1, fromOffset: 2, untilOffset: 15 }], cut)).toThrow(missing);
  });
});

describe('commits that are rolled to Parquet', () => {
  let world: ArchiveWorld;
  beforeEach(async () => {
    world = await openArchiveWorld(inject('stack').databaseUrl, { partitions: 3 });
  });
  afterEach(() => world.close());

  class Crash extends Error {}

  /** A version with commits of one or two partitions each, in the catalog only. */
  async function versionOf(commits: number): Promise<ViewVersion> {
    const { pool, broker, topic } = world;
    const view = spendingView({ topic });
    const version = await publishEmptyVersion(pool, view, broker.bounds(topic));
    await pool.query(
      `INSERT INTO millrace_catalog.commit_record (view, version, seq, topic, partition, from_offset, until_offset, watermark_us, committed_at, fingerprint, commit_id)
       SELECT 'spending', $1, s, $2, p, (s - 1) * 10, s * 10, CASE WHEN s % 3 = 0 THEN NULL ELSE s END,
         timestamptz '2026-01-01' + s * interval '1.000001 s', CASE WHEN s % 5 = 0 THEN NULL WHEN s % 7 = 0 THEN 'other' ELSE repeat('f', 64) END,
         CASE WHEN s % 4 = 0 THEN NULL ELSE -9223372036854775808 + s END
       FROM generate_series(1, $3::int) s, generate_series(0, 1) p`,
      [version, topic, commits],
    );
    await pool.query('UPDATE millrace_catalog.view_version SET seq = $2 WHERE version = $1', [version, commits]);
    return (await viewVersion(pool, 'spending', version))!;
  }

  const idOf = (seq: number): bigint => -(2n ** 63n) + BigInt(seq);

  /** All a timeline tells, as one value. */
  function told(commits: CommitTimeline): unknown {
    return {
      last: commits.lastSeq,
      ends: [0, 1, 50, commits.lastSeq].map((seq) => commits.offsetsAt(seq)),
      seqs: Array.from({ length: commits.lastSeq * 10 }, (_, offset) => commits.seqOf(offset % 2, offset)),
      times: Array.from({ length: commits.lastSeq }, (_, index) => commits.committedAtUs(index + 1)),
      foreign: commits.foreignCommits(OWN),
      fates: [...Array(commits.lastSeq + 2).keys()].map((seq) =>
        [idOf(seq), 1n, null].map((id) => commits.fateOf(seq, id)).join(' '),
      ),
    };
  }

  test(`load the same whatever was rolled, died or rolls meanwhile (seed ${seed})`, async () => {
    const { pool, archiveDir } = world;
    const step = fc.record({
      keepRows: fc.nat(60),
      fileRows: fc.integer({ min: 5, max: 200 }),
      dies: fc.constantFrom('no', 'after-rename', 'before-commit'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
        const version = await versionOf(120);
        const expected = told(await loadCommitTimeline({ pool, archiveDir: null, version }));
        for (const { keepRows, fileRows, dies } of steps) {
          const roll = { pool, archiveDir, view: 'spending', version: version.version, keepRows, minRows: 1, fileRows };
          const failAt = (point: string): void => {
            if (point === dies) throw new Crash();
          };
          const rolling = [{ ...roll, failAt }, roll].map((options) =>
            rollCommits(options).catch((error: unknown) => {
              if (!(error instanceof Crash)) throw error;
              return 0;
            }),
          );
          for (let load = 0; load < 3; load++)
            expect(told(await loadCommitTimeline({ pool, archiveDir, version }))).toEqual(expected);
          await Promise.all(rolling);
          expect(told(await loadCommitTimeline({ pool, archiveDir, version }))).toEqual(expected);
        }
        const least = Math.min(...steps.map(({ keepRows }) => keepRows));
        await rollCommits({
          pool,
          archiveDir,
          view: 'spending',
          version: version.version,
          keepRows: least,
          minRows: 1,
        });
        expect(told(await loadCommitTimeline({ pool, archiveDir, version }))).toEqual(expected);
        const { rows } = await pool.query<{ n: number }>(
          'SELECT count(*)::int AS n FROM millrace_catalog.commit_record WHERE version = $1',
          [version.version],
        );
        expect(rows[0]!.n).toBeGreaterThanOrEqual(least);
        expect(rows[0]!.n).toBeLessThanOrEqual(Math.max(least + 2, 2));
      }),
      { numRuns: 6, seed, endOnFailure: true },
    );
    const { rows } = await pool.query<{ path: string }>('SELECT path FROM millrace_catalog.commit_file');
    const left = (await readdir(join(archiveDir, 'commits'))).map((name) => `commits/${name}`);
    expect(left.sort()).toEqual(rows.map(({ path }) => path).sort());
  });

  test('too few are left where they are', async () => {
    const { pool, archiveDir } = world;
    const { version } = await versionOf(100);
    const roll = { pool, archiveDir, view: 'spending', version };
    expect(await rollCommits(roll)).toBe(0);
    expect(await rollCommits({ ...roll, keepRows: 200, minRows: 1 })).toBe(0);
    expect(await rollCommits({ ...roll, keepRows: 100, minRows: 101 })).toBe(0);
    expect(await rollCommits({ ...roll, keepRows: 100, minRows: 100 })).toBe(100);
    expect(await rollCommits({ ...roll, keepRows: 100, minRows: 1 })).toBe(0);
  });

  test('the ids of commits tell whether one is kept or lost, also in a file of before there were any', async () => {
    const { pool, archiveDir } = world;
    const version = await versionOf(100);
    const roll = { pool, archiveDir, view: 'spending', version: version.version, keepRows: 100, minRows: 1 };
    expect(await rollCommits(roll)).toBe(100);
    const commits = await loadCommitTimeline({ pool, archiveDir, version });
    const fates = (of: CommitTimeline, seq: number): string[] => [idOf(seq), 1n, null].map((id) => of.fateOf(seq, id));
    for (const seq of [1, 50, 51, 99]) expect(fates(commits, seq)).toEqual(['kept', 'lost', 'kept']);
    // Where one of both sides has none.
    for (const seq of [4, 100]) expect(fates(commits, seq)).toEqual(['kept', 'kept', 'kept']);
    expect(fates(commits, 101)).toEqual(['lost', 'lost', 'lost']);
    // Those who found no state, and those who found the backfill's, saw the backfill.
    for (const seq of [null, 0])
      expect([BigInt(version.commitId!), 1n, null].map((id) => commits.fateOf(seq, id))).toEqual([
        'kept',
        'lost',
        'kept',
      ]);
    await withoutIds(pool, archiveDir);
    const old = await loadCommitTimeline({ pool, archiveDir, version });
    expect(fates(old, 1)).toEqual(['kept', 'kept', 'kept']);
    expect(fates(old, 99)).toEqual(['kept', 'lost', 'kept']);
  });

  /** Makes the only rolled file one of the release before. */
  async function withoutIds(pool: ArchiveWorld['pool'], archiveDir: string): Promise<void> {
    const [name] = await readdir(join(archiveDir, 'commits'));
    const file = join(archiveDir, 'commits', name!);
    const duckdb = await openCommitDuckDb();
    try {
      await duckdb.run(
        `COPY (SELECT * EXCLUDE (commit_id) FROM read_parquet(${quoteText(file)})) TO ${quoteText(`${file}.old`)} (FORMAT parquet)`,
      );
    } finally {
      await duckdb.close();
    }
    await rename(`${file}.old`, file);
    const bytes = await readFile(file);
    await pool.query('UPDATE millrace_catalog.commit_file SET size_bytes = $1, sha256 = $2', [
      bytes.length,
      createHash('sha256').update(bytes).digest(),
    ]);
  }

  test('a file that is gone or changed, or no folder: named, never fewer commits', async () => {
    const { pool, archiveDir } = world;
    const version = await versionOf(100);
    await rollCommits({ pool, archiveDir, view: 'spending', version: version.version, keepRows: 10, minRows: 1 });
    expect(await codeOf(loadCommitTimeline({ pool, archiveDir: null, version }))).toBe('archive-not-configured');
    const [name] = await readdir(join(archiveDir, 'commits'));
    const file = join(archiveDir, 'commits', name!);
    await writeFile(file, 'x', { flag: 'a' });
    expect(await codeOf(loadCommitTimeline({ pool, archiveDir, version }))).toBe('archive-file-damaged');
    await rm(file);
    expect(await codeOf(loadCommitTimeline({ pool, archiveDir, version }))).toBe('archive-file-missing');
    await pool.query('DELETE FROM millrace_catalog.commit_file');
    expect(await codeOf(loadCommitTimeline({ pool, archiveDir, version }))).toBe('commits-missing');
  });

  test("a stream's own commits, shards and an added partition included, say which commit took what", async () => {
    const { pool, archiveDir, broker, topic, reader } = world;
    const view = spendingView({ topic, source: { invalidLimit: { rate: 1, window: 1000 } } });
    const version = await publishEmptyVersion(pool, view, broker.bounds(topic));
    const stream = (partitions: readonly number[] | undefined, attemptMs: number) =>
      runStream({
        view,
        version,
        pool,
        reader,
        clock: systemClock,
        until: 'present-end',
        fence: { generation: 1, attemptMs, owner: 'test' },
        limits: { batchRecords: 40, maxBatchRecords: 40, batchMs: 1 },
        ...(partitions === undefined ? {} : { partitions }),
      });
    for (const partition of [0, 1, 2])
      appendPurchases(broker, topic, partition, partition * 1000, partition * 1000 + 200);
    await Promise.all([stream([0, 2], 1), stream([1], 1)]);
    broker.addPartition(topic);
    appendPurchases(broker, topic, 3, 5_000, 5_050);
    broker.appendControl(topic, 3, 2);
    await stream(undefined, 2);
    const commits = await loadCommitTimeline({
      pool,
      archiveDir,
      version: (await viewVersion(pool, view.name, version))!,
    });
    expect(commits.offsetsAt(commits.lastSeq)).toEqual(
      broker.bounds(topic).partitions.map(({ partition, endOffset }) => ({ partition, endOffset })),
    );
    const { rows } = await pool.query<{ seq: number; partition: number; from_offset: number; until_offset: number }>(
      'SELECT seq, partition, from_offset, until_offset FROM millrace_catalog.commit_record WHERE version = $1',
      [version],
    );
    for (const { seq, partition, from_offset, until_offset } of rows)
      for (let offset = from_offset; offset < until_offset; offset++)
        expect(commits.seqOf(partition, offset)).toBe(seq);
    for (let seq = 1; seq <= commits.lastSeq; seq++) {
      const at = commits.committedAtUs(seq);
      expect(commits.seqAt(at)).toBeGreaterThanOrEqual(seq);
      expect(commits.seqAt(at - 1)).toBeLessThan(seq);
    }
  });
});
