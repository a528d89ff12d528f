import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type BackfillOptions, type BackfillResult, runBackfill } from '../../engine/backfill/run-backfill.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { buildFacts } from './build-facts.ts';
import { clockUntil, jsonl, purchases } from './resume-fixture.ts';

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let folder: string;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-later-'));
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

it.each([
  ['staged, for their ids', 'id'],
  ['straight through', null],
] as const)(
  'a build goes on over the files it began with, where others were added since; the next reads those: lines %s',
  async (_, eventIdField) => {
    const { pool } = database;
    const rows = purchases(9000);
    const path = await jsonl(folder, rows.slice(0, 3000), rows.slice(3000, 5000));
    const history = { path, untilUs: null, disjoint: true };
    const source = { history, eventIdField, invalidLimit: { rate: 0.5, window: 1000 } };
    const view = spendingView({ topic: null, lifetime: eventIdField !== null, source });
    const attempt = (build: string, attemptMs: number, more: Partial<BackfillOptions> = {}): Promise<BackfillResult> =>
      runBackfill({
        view,
        pool,
        reader: null,
        spillDir: join(folder, 'spill'),
        clock: clockUntil(Number.POSITIVE_INFINITY, () => {}),
        builder: 'test',
        attempt: { build, attemptMs },
        pace: { everyMs: 0, restFactor: 0, whenStopped: false },
        ...more,
      });
    const whole = await buildFacts(pool, view, (await attempt('whole', 1)).version);
    const abort = new AbortController();
    const clock = clockUntil(6, () => abort.abort(new Error('killed')));
    await expect(attempt('added', 1, { clock, signal: abort.signal })).rejects.toThrow('killed');
    const lines = rows.slice(5000).map((row) => `${JSON.stringify(row)}\n`);
    // In front of the others.
    await writeFile(path.replace('*', 'added'), lines.join(''));
    const resumed: number[] = [];
    const { version } = await attempt('added', 2, {
      onProgress: (at) => {
        expect(at.restarted).toBeNull();
        resumed.push(at.resumedRows);
      },
    });
    expect(resumed.at(-1)).toBeGreaterThan(0);
    expect(await buildFacts(pool, view, version)).toEqual(whole);
    const filesOf = async (): Promise<unknown> =>
      (await versions(pool, view.name))[0]!.history!.files.map(({ name, rows: count }) => [name, count]);
    const first = [
      ['part-0.jsonl', 3000],
      ['part-1.jsonl', 2000],
    ];
    expect(await filesOf()).toEqual(first);
    await attempt('next', 1);
    expect(await filesOf()).toEqual([['added.jsonl', 4000], ...first]);
  },
);
