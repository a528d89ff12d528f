import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';

let world: ClicksWorld;
const cli = (...args: string[]): Promise<CliResult> => runCli(args, world.variables);

/** 200 clicks of history, a tenth of them repeats, and one line that is none. */
beforeAll(async () => {
  world = await ClicksWorld.open(inject('stack'), `cli-monitor-${process.pid}`);
  world.writeHistory(world.make(200), 'a.jsonl');
  appendFileSync(join(world.folder, 'data', 'a.jsonl'), '{"id":"x","at":"soon","person":"u1","amount":1}\n');
}, 120_000);
afterAll(() => world.close());

test('the past is computed from the files of the history, and shown: records, a field, a segment, as JSON', async () => {
  const dry = await cli('monitor', 'backfill', world.source, '--dry-run');
  expect(dry.stdout).toBe(`${world.source}: would read 0 archived records of 0 files, and its history\n`);
  expect((await cli('monitor', 'show', world.source)).stdout).toContain('nothing is kept of it');
  const done = await cli('monitor', 'backfill', world.source, '--json');
  expect([done.exitCode, done.stderr.includes('error')]).toEqual([0, false]);
  const events = new Set(world.clicks.map(({ id }) => id)).size;
  expect(JSON.parse(done.stdout)).toMatchObject({ historyRows: events + 1, hasHistory: true, archivedRecords: 0 });
  const shown = await cli('monitor', 'show', world.source, '--field', 'amount', '--json');
  const { buckets } = JSON.parse(shown.stdout) as { buckets: { count: number; numbers: { sum: number } }[] };
  const unique = new Map(world.clicks.map((click) => [click.id, click.amount]));
  expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(events);
  expect(buckets.reduce((sum, { numbers }) => sum + numbers.sum, 0)).toBe(
    [...unique.values()].reduce((sum, amount) => sum + amount, 0),
  );
  const table = await cli('monitor', 'show', world.source, '--segment', 'partition=history');
  expect(table.stdout).toMatch(/│ begin +│ grain +│ records +│ invalid/);
  expect(table.stdout).toContain('1 (at: expected ');
});

test('what cannot be meant is refused by name', async () => {
  const codeOf = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await cli('monitor', ...args, '--json');
    return /[a-z]+(?:-[a-z]+)+/.exec(/"code": ?"([^"]+)"/.exec(stdout + stderr)?.[1] ?? '')?.[0] ?? stdout + stderr;
  };
  expect(await codeOf('backfill', 'nothing')).toBe('unknown-source');
  expect(await codeOf('backfill', world.source, '--from', '2026-02-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z')).toBe(
    'bad-options',
  );
  expect(await codeOf('show', world.source, '--segment', 'origin')).toBe('invalid-usage');
});
