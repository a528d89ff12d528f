import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { BackfillProgress } from '../../engine/backfill/backfill-progress.ts';
import { type BackfillOptions, type BackfillResult, runBackfill } from '../../engine/backfill/run-backfill.ts';
import { sweepAbandonedVersions } from '../../engine/backfill/sweep-abandoned-versions.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { createMemoryLogReader } from '../stream/memory-log.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { purchaseBytes } from '../stream/stream-view.ts';
import { buildFacts, expectNothingSaved } from './build-facts.ts';
import { brokerWith, clockUntil, columns, jsonl, purchases, randomFrom, view } from './resume-fixture.ts';

/** After every batch; and an abort is a kill. */
const ALWAYS = { everyMs: 0, restFactor: 0, whenStopped: false };
/** Where it is told to end, and else not. */
const WHEN_STOPPED = { everyMs: 1e9, restFactor: 0 };
const seed = Number(process.env['LAW_SEED'] ?? Math.trunc(Math.random() * 0x7fffffff));
console.log(`LAW_SEED=${seed}`);

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
let folder: string;
let builds = 0;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  pool = database.pool;
  folder = await mkdtemp(join(tmpdir(), 'millrace-resume-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await sweepAbandonedVersions({ pool, view: 'spending' });
});

interface Outcome {
  readonly result: BackfillResult | null;
  readonly error: unknown;
  readonly progress: readonly BackfillProgress[];
}

type Given = Partial<BackfillOptions> & Pick<BackfillOptions, 'view'>;

function attemptOf(given: Given, build: string, attemptMs: number): Promise<BackfillResult> {
  return runBackfill({
    pool,
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: clockUntil(Number.POSITIVE_INFINITY, () => {}),
    builder: 'test',
    attempt: { build, attemptMs },
    pace: ALWAYS,
    ...given,
  });
}

async function attemptUntil(given: Given, build: string, attemptMs: number, asked: number): Promise<Outcome> {
  const abort = new AbortController();
  const progress: BackfillProgress[] = [];
  try {
    const result = await attemptOf(
      {
        ...given,
        clock: clockUntil(asked, () => abort.abort(new Error('killed'))),
        signal: abort.signal,
        onProgress: (at) => progress.push(at),
      },
      build,
      attemptMs,
    );
    return { result, error: null, progress };
  } catch (error) {
    return { result: null, error, progress };
  }
}

/** Attempt after attempt, each killed after a while, until one is through. */
async function killedAgainAndAgain(
  given: Given,
  random: (below: number) => number,
  most: number,
): Promise<{ readonly result: BackfillResult; readonly attempts: number; readonly resumed: number }> {
  const build = `killed-${++builds}`;
  let resumed = 0;
  for (let attempts = 1; ; attempts++) {
    const { result, error, progress } = await attemptUntil(
      given,
      build,
      attempts,
      attempts === 1 ? 6 : 3 + random(most),
    );
    if (progress.some(({ resumedRows }) => resumedRows > 0)) resumed++;
    if (result !== null) return { result, attempts, resumed };
    if (!(error instanceof Error && error.message === 'killed')) throw error;
  }
}

async function factsOfOne(given: Given): Promise<Record<string, unknown>> {
  const { version } = await attemptOf(given, `whole-${++builds}`, 1);
  const facts = await buildFacts(pool, given.view, version);
  await sweepAbandonedVersions({ pool, view: given.view.name });
  return facts;
}

describe('a backfill that is told to end', () => {
  it('saves what it has done, and the next attempt goes on from there to the same bytes', async () => {
    const random = randomFrom(seed);
    const rows = purchases(9000, 900);
    const lines = await jsonl(folder, rows.slice(0, 4000), rows.slice(4000));
    const broker = brokerWith([...rows.slice(3500, 6000), ...rows.slice(5900)], 3);
    const reader = createMemoryLogReader(broker, () => 17 + random(200));
    const { parquet } = await columns(folder, 30_000);
    const cases: readonly Given[] = [
      { view: view(lines) },
      { view: view(lines, { topic: true }), reader },
      { view: view(null, { topic: true, lifetime: false }), reader },
      { view: view(parquet, { lifetime: false }) },
    ];
    for (const each of cases) {
      const given = { ...each, pace: WHEN_STOPPED };
      const whole = await factsOfOne(given);
      const { result, attempts, resumed } = await killedAgainAndAgain(given, random, 14);
      expect(await buildFacts(pool, given.view, result.version)).toEqual(whole);
      // Nothing but the end of an attempt saves: each one after the first goes on.
      expect(attempts).toBeGreaterThan(1);
      expect(resumed).toBe(attempts - 1);
      await sweepAbandonedVersions({ pool, view: given.view.name });
      await expectNothingSaved(pool);
    }
  });

  it('ends for the reason it was given, where what it has done cannot be saved', async () => {
    const given = { view: view(await jsonl(folder, purchases(5000))), pace: WHEN_STOPPED };
    const abort = new AbortController();
    const clock = clockUntil(6, () => abort.abort(new Error('killed')));
    const connect = vi.spyOn(pool, 'connect');
    abort.signal.addEventListener('abort', () => connect.mockRejectedValue(new Error('the database is away')));
    try {
      await expect(attemptOf({ ...given, clock, signal: abort.signal }, 'away', 1)).rejects.toThrow('killed');
      expect(connect).toHaveBeenCalled();
    } finally {
      connect.mockRestore();
    }
    const again = await attemptUntil(given, 'away', 2, 1e9);
    expect(again.progress.every(({ resumedRows }) => resumedRows === 0)).toBe(true);
    expect(again.result).not.toBeNull();
  });
});

describe('a backfill that is killed', () => {
  it('goes on where it had saved, and comes to the same bytes, whatever the log and wherever it was killed', async () => {
    const random = randomFrom(seed);
    const rows = purchases(9000, 900);
    const lines = await jsonl(folder, rows.slice(0, 4000), rows.slice(4000));
    const broker = brokerWith([...rows.slice(3500, 6000), ...rows.slice(5900)], 3);
    const reader = createMemoryLogReader(broker, () => 17 + random(200));
    const files = await columns(folder, 30_000);
    const cases: readonly Given[] = [
      { view: view(lines) },
      { view: view(lines, { ids: false, lifetime: false }) },
      { view: view(lines, { topic: true }), reader },
      { view: view(null, { topic: true, lifetime: false }), reader },
      { view: view(files.csv, { topic: true, lifetime: false }), reader },
      { view: view(files.parquet, { lifetime: false }) },
    ];
    for (const given of cases) {
      const whole = await factsOfOne(given);
      const isPositive = expect.toSatisfy((n: number) => n > 0);
      const hasLate = given.view.layout.groups.length === 1;
      expect(whole['counts']).toMatchObject({ invalid: isPositive, ...(hasLate ? { late: isPositive } : {}) });
      const { result, attempts, resumed } = await killedAgainAndAgain(given, random, 14);
      expect(await buildFacts(pool, given.view, result.version)).toEqual(whole);
      expect([attempts > 1, resumed > 0]).toEqual([true, true]);
      await sweepAbandonedVersions({ pool, view: given.view.name });
      await expectNothingSaved(pool);
    }
  });

  it('goes on within and between the slices of a history, newest first', async () => {
    const { parquet } = await columns(folder, 620_000);
    const given = { view: view(parquet, { lifetime: false }) };
    const whole = await factsOfOne(given);
    const { result, resumed } = await killedAgainAndAgain(given, randomFrom(seed), 180);
    expect(await buildFacts(pool, given.view, result.version)).toEqual(whole);
    expect(resumed).toBeGreaterThan(0);
  });

  it('can be killed at every single step', async () => {
    const rows = purchases(700, 60);
    const given = {
      view: view(await jsonl(folder, rows.slice(0, 300)), { topic: true, lifetime: false }),
      reader: createMemoryLogReader(brokerWith(rows.slice(200), 2), () => 90),
    };
    const whole = await factsOfOne(given);
    for (let asked = 1; ; asked++) {
      const build = `step-${asked}`;
      const first = await attemptUntil(given, build, 1, asked);
      const { result } = first.result === null ? await attemptUntil(given, build, 2, 1e9) : first;
      expect(await buildFacts(pool, given.view, result!.version), `killed at ${asked}`).toEqual(whole);
      await sweepAbandonedVersions({ pool, view: given.view.name });
      if (first.result !== null) break;
    }
    await expectNothingSaved(pool);
  });

  it('comes to the same states where memory had run out on the way', async () => {
    const rows = purchases(9000, 2000);
    const given = { view: view(await jsonl(folder, rows)), mostMemory: { heap: 0 } };
    const { states } = await factsOfOne(given);
    const { result, resumed } = await killedAgainAndAgain(given, randomFrom(seed), 9);
    expect((await buildFacts(pool, given.view, result.version))['states']).toEqual(states);
    expect(resumed).toBeGreaterThan(0);
  });

  it('reads none of the records again that it had saved, up to the cut of the first attempt', async () => {
    const rows = purchases(4000);
    const broker = brokerWith(rows, 2);
    let given = 0;
    const inner = createMemoryLogReader(broker, () => 100);
    const reader: LogReader = {
      ...inner,
      read: async function* (options) {
        for await (const batch of inner.read(options)) {
          given += batch.records.length;
          yield batch;
        }
      },
    };
    const spending = view(null, { topic: true });
    const first = await attemptUntil({ view: spending, reader }, 'cut', 1, 80);
    expect(first.error).toMatchObject({ message: 'killed' });
    const { partitions } = broker.bounds('purchases');
    const before = given;
    for (const row of purchases(500)) broker.append('purchases', 0, [{ value: purchaseBytes(row) }]);
    const second = await attemptUntil({ view: spending, reader }, 'cut', 2, 1e9);
    expect(second.result?.cut?.partitions).toEqual(partitions);
    const [from] = second.progress;
    expect(from?.resumedRows).toBeGreaterThan(1000);
    // Some 40 offsets hold no record.
    const offsets = partitions.reduce((sum, { endOffset }) => sum + endOffset, 0);
    expect(given - before).toBeLessThanOrEqual(offsets - from!.resumedRows);
    // The batch that was under way, and was not saved.
    expect(before - from!.resumedRows).toBeLessThanOrEqual(100);
    expect(given).toBeLessThanOrEqual(4100);
    expect(second.progress.at(-1)).toMatchObject({ rows: offsets, phase: 'verify', percent: 100, restarted: null });
  });

  it('begins anew, and says so, where the history is another one or invalid records were accepted', async () => {
    const rows = purchases(6000);
    const path = await jsonl(folder, rows.slice(0, 3000), rows.slice(3000, 5000));
    const given = { view: view(path, { ids: false, lifetime: false }) };
    expect((await attemptUntil(given, 'changed', 1, 6)).error).toMatchObject({ message: 'killed' });
    await writeFile(
      path.replace('*', 'part-1'),
      rows
        .slice(3000)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    const changed = await attemptUntil(given, 'changed', 2, 1e9);
    expect(changed.progress.at(-1)?.restarted).toMatch(/other history files: .*part-1\.jsonl had/);
    expect(await buildFacts(pool, given.view, changed.result!.version)).toEqual(await factsOfOne(given));

    expect((await attemptUntil(given, 'accepted', 1, 6)).error).toMatchObject({ message: 'killed' });
    await pool.query(
      `INSERT INTO millrace_catalog.accepted_invalid (source, partition, until_offset) VALUES ('purchases', -1, 900)`,
    );
    const accepted = await attemptUntil(given, 'accepted', 2, 1e9);
    expect(accepted.progress.every(({ resumedRows }) => resumedRows === 0)).toBe(true);
    expect(await buildFacts(pool, given.view, accepted.result!.version)).toEqual(await factsOfOne(given));
    await pool.query(`DELETE FROM millrace_catalog.accepted_invalid`);
  });

  it('is of no use to another build, another definition or another attempt that is older', async () => {
    const given = { view: view(await jsonl(folder, purchases(5000))) };
    await attemptUntil(given, 'mine', 5, 6);
    const [mine] = await versions(pool, 'spending');
    expect(mine).toMatchObject({ build: 'mine', status: 'building' });
    await expect(attemptOf(given, 'mine', 4)).rejects.toMatchObject({ code: 'backfill-superseded' });
    expect((await versions(pool, 'spending'))[0]).toMatchObject({ version: mine!.version, status: 'building' });
    const other = { view: { ...given.view, fingerprint: '0'.repeat(64) } };
    const changed = await attemptOf(other, 'mine', 6);
    expect(changed.version).toBe(mine!.version + 1);
    await attemptUntil(given, 'mine', 7, 6);
    const fresh = await attemptOf(given, 'theirs', 8);
    expect((await versions(pool, 'spending')).filter(({ status }) => status !== 'discarded')).toMatchObject([
      { version: fresh.version, build: 'theirs', status: 'built' },
    ]);
    await expectNothingSaved(pool);
  });

  it('is told that it is built, where it was ended before it could say so', async () => {
    const given = { view: view(await jsonl(folder, purchases(500))) };
    const first = await attemptOf(given, 'told', 1);
    expect(await attemptOf(given, 'told', 2)).toEqual(first);
    expect(await versions(pool, 'spending')).toContainEqual(
      expect.objectContaining({ version: first.version, status: 'built' }),
    );
  });

  it('writes nothing once it was frozen and another attempt has begun', async () => {
    const rows = purchases(3000);
    const inner = createMemoryLogReader(brokerWith(rows, 1), () => 100);
    const reached = Promise.withResolvers<void>();
    const thaw = Promise.withResolvers<void>();
    let batches = 0;
    const frozen: LogReader = {
      ...inner,
      read: async function* (options) {
        for await (const batch of inner.read(options)) {
          if (++batches === 6) {
            reached.resolve();
            await thaw.promise;
          }
          yield batch;
        }
      },
    };
    const given = { view: view(null, { topic: true }), reader: inner };
    const whole = await factsOfOne(given);
    const zombie = attemptOf({ ...given, reader: frozen }, 'frozen', 1);
    await reached.promise;
    const second = await attemptUntil(given, 'frozen', 2, 40);
    expect(second.error).toMatchObject({ message: 'killed' });
    thaw.resolve();
    await expect(zombie).rejects.toMatchObject({ code: 'backfill-superseded' });
    const { version } = await attemptOf(given, 'frozen', 3);
    expect(await buildFacts(pool, given.view, version)).toEqual(whole);
  });

  it('gives up after ten attempts in a row that saved nothing, and not after many that got on', async () => {
    const never = { ...WHEN_STOPPED, whenStopped: false };
    const given = { view: view(await jsonl(folder, purchases(4000))) };
    for (let attempt = 1; attempt <= 10; attempt++) {
      const { error } = await attemptUntil({ ...given, pace: never }, 'nowhere', attempt, 4);
      expect(error).toMatchObject({ message: 'killed' });
    }
    const { error } = await attemptUntil({ ...given, pace: never }, 'nowhere', 11, 4);
    expect(error).toMatchObject({ code: 'backfill-gets-nowhere', retryable: false });
    // Whoever sends retry has as many again.
    const steps = 40;
    const topic = {
      view: view(null, { topic: true }),
      reader: createMemoryLogReader(brokerWith(purchases(4000), 1), () => 100),
    };
    let attempts = 0;
    for (let result: BackfillResult | null = null; result === null && attempts < steps; attempts++)
      ({ result } = await attemptUntil(topic, 'slowly', attempts + 1, 9));
    expect(attempts).toBeGreaterThan(12);
    expect(attempts).toBeLessThan(steps);
  });

  it('does not count the attempts that ended because something has to be waited for', async () => {
    const away = new MillraceError('service-unreachable', 'Kafka is away', { remedy: 'Wait.', waits: true });
    const inner = createMemoryLogReader(brokerWith(purchases(100), 1));
    const given = { view: view(null, { topic: true }) };
    const reader: LogReader = { ...inner, bounds: () => Promise.reject(away) };
    for (let attempt = 1; attempt <= 15; attempt++)
      await expect(attemptOf({ ...given, reader }, 'waited', attempt)).rejects.toBe(away);
    expect((await attemptOf({ ...given, reader: inner }, 'waited', 16)).rows).toBe(100);
  });

  it('leaves what it has saved where what failed may pass, and nothing where it was refused', async () => {
    const inner = createMemoryLogReader(brokerWith(purchases(3000), 1), () => 100);
    const failing = (error: unknown): LogReader => ({
      ...inner,
      read: async function* (options) {
        let batches = 0;
        for await (const batch of inner.read(options)) {
          if (++batches === 9) throw error;
          yield batch;
        }
      },
    });
    const given = { view: view(null, { topic: true }) };
    const away = new MillraceError('service-unreachable', 'Kafka is away', { remedy: 'Wait.', waits: true });
    await expect(attemptOf({ ...given, reader: failing(away) }, 'away', 1)).rejects.toBe(away);
    await expect(attemptOf({ ...given, reader: failing(new Error('who knows')) }, 'away', 2)).rejects.toThrow(
      'who knows',
    );
    const third = await attemptUntil({ ...given, reader: inner }, 'away', 3, 1e9);
    // Twice eight batches of 100, and 16 offsets among them that hold no record.
    expect(third.progress[0]?.resumedRows).toBe(1616);
    await sweepAbandonedVersions({ pool, view: 'spending' });
    const refused = new MillraceError('topic-recreated', 'another topic', { remedy: 'Rebackfill.' });
    await expect(attemptOf({ ...given, reader: failing(refused) }, 'refused', 1)).rejects.toBe(refused);
    await expectNothingSaved(pool);
  });
});
