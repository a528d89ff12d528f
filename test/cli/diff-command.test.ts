import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { PlannedView } from '../../engine/versions/plan-against-live.ts';
import type { VersionsDiff } from '../../engine/versions/diff-types.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { type CliResult, runCli } from './run-cli.ts';

let world: ClicksWorld;
const cli = (...args: string[]): Promise<CliResult> => runCli(args, world.variables);

/** One version of 300 clicks of history, a second one of a hundred more; both of the 60 of the topic. */
beforeAll(async () => {
  world = await ClicksWorld.open(inject('stack'), `cli-diff-${process.pid}`);
  const first = world.make(300);
  const later = world.make(100);
  world.writeHistory(first, 'a.jsonl');
  await world.send(world.make(60));
  await build();
  world.writeHistory(later, 'b.jsonl');
  await build();
}, 120_000);
afterAll(() => world.close());

async function build(): Promise<void> {
  const view = (await loadDefinitions(join(world.folder, 'features'))).views.get(world.view)!;
  const { KAFKA_BROKERS: brokers = '' } = world.variables;
  const reader = createKafkaLogReader({ brokers: brokers.split(','), clientId: 'test', clock: systemClock });
  const spillDir = join(world.folder, 'spill');
  const { pool } = world;
  const { version } = await runBackfill({ view, pool, reader, spillDir, clock: systemClock, builder: 'test' });
  await publishVersion({ pool, view: view.name, version });
  await reader.close();
}

describe('diff', () => {
  it('compares the previous version with the live one, as JSON', async () => {
    const { exitCode, stdout, stderr } = await cli('diff', world.view, '--json');
    expect(stderr).not.toContain('error');
    expect(exitCode).toBe(0);
    const diff = JSON.parse(stdout) as VersionsDiff;
    expect(diff).toMatchObject({
      view: world.view,
      before: { version: 1 },
      after: { version: 2 },
      at: new Date(world.newestUs / 1000).toISOString().replace('.000Z', '.000001Z'),
      entities: 7,
      isWhole: true,
      onlyBefore: [],
      onlyAfter: [],
      logs: ['history: 1 file before, 2 files after'],
    });
    // Each of the seven has some of the later hundred, of which a tenth are repeated; the last amounts are the topic's.
    const shares = Object.fromEntries(diff.features.map(({ feature, differing }) => [feature, differing]));
    expect(shares).toMatchObject({ n: 7, last_amount: 0 });
    const n = diff.features.find(({ feature }) => feature === 'n')!;
    const users = world.expected();
    const added = n.examples.map(({ entity, before, after }) => {
      expect(after).toBe(users[String(entity['person'])]![0]);
      return Number(after) - Number(before);
    });
    expect(added.every((clicks) => clicks > 0)).toBe(true);
  });

  it('prints a table, and draws a plot', async () => {
    const plot = join(world.folder, 'diff.svg');
    const { exitCode, stdout, stderr } = await cli('diff', world.view, '--versions', '1,2', '--plot', plot);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`${world.view}: version 1 (`);
    expect(stdout).toContain('of the log: history: 1 file before, 2 files after');
    expect(stdout).toMatch(/│ n +│ int +│ 7 +│ 7 +│ 100\.00 % /);
    expect(stdout).toMatch(/ {2}n {2}person=u\d: \d+ → \d+/);
    expect(stderr).toContain(`plot: ${plot}`);
    expect(readFileSync(plot, 'utf8')).toContain('<svg');
    rmSync(plot);
  });

  it('reads at the time it is told, and compares as few entities as it is told', async () => {
    const { stdout } = await cli('diff', world.view, '--at', '2026-01-01T00:01:00Z', '--entities', '3', '--json');
    const diff = JSON.parse(stdout) as VersionsDiff;
    expect(diff).toMatchObject({ at: '2026-01-01T00:01:00.000000Z', differing: 0 });
    // Two clicks in that minute.
    expect(diff.before.counts.applied).toBe(2);
    const few = JSON.parse((await cli('diff', world.view, '--entities', '3', '--json')).stdout) as VersionsDiff;
    expect(few).toMatchObject({ entities: 3, isWhole: false });
    // The other four may be as these are, or otherwise: of three of three it is told how far it goes.
    expect(few.features[0]).toMatchObject({ share: 1, interval: { low: expect.closeTo(0.4385, 3), high: 1 } });
    expect((await cli('diff', world.view, '--entities', '3')).stdout).toContain('100.00 % (43.85 % to 100.00 %)');
  });

  it('says before anything is done what definitions would change of what is live', async () => {
    const same = await cli('plan', '--against', 'live');
    expect(same.exitCode).toBe(0);
    expect(same.stdout).toContain(`${world.view}  unchanged: version 2 (`);
    expect(same.stdout).toContain('1 view: 0 changed, 0 new, 0 retired; nothing was done');
    world.define(", n_7d: f.count().over('7d')");
    const { exitCode, stdout } = await cli('plan', '--against', 'live', '--json');
    expect(exitCode).toBe(0);
    const [plan] = JSON.parse(stdout) as PlannedView[];
    expect(plan).toMatchObject({
      change: 'changed',
      live: { version: 2 },
      difference: {
        featuresAdded: ['n_7d'],
        featuresChanged: [],
        rebuild: { isNeeded: true, why: 'the states have to hold more: tiles of 1h for 7d' },
      },
      expected: { historyRows: 400, topicRecords: 60, measured: 'as fast as version 2 was built' },
      // Nobody stored the code of what is live.
      sample: null,
      notCompared: { code: 'definition-changed' },
    });
    const shown = (await cli('plan', '--against', 'live')).stdout;
    for (const text of [
      'CHANGED: version 2 (',
      'features + n_7d',
      'rebuild  needed: the states have to hold more',
      'expected 400 rows of history and 60 records of the topic: about ',
      'sample   not compared: definition-changed',
      '1 view: 1 changed, 0 new, 0 retired; nothing was done',
    ])
      expect(shown).toContain(text);
    world.define('');
  });

  it.each([
    [['plan', '--against', 'yesterday'], 'Allowed choices are live'],
    [['plan', '--against', 'live', '--entities', '0'], 'expected a whole number'],
    [['diff', 'nobody'], 'error view-not-published'],
    [['diff', 'nobody', '--versions', '1,2'], 'error unknown-view'],
    [['diff', 'VIEW', '--versions', '1,9'], 'error unknown-version'],
    [['diff', 'VIEW', '--versions', '1'], 'expected two numbers of versions'],
    [['diff', 'VIEW', '--versions', '2,2'], 'expected two numbers of versions'],
    [['diff', 'VIEW', '--entities', '0'], 'expected a whole number'],
    [['diff', 'VIEW', '--at', 'noon'], 'error invalid-time'],
    [['diff', 'VIEW', '--plot', '/nowhere/at/all.svg'], 'error out-not-writable'],
  ])('%j says what is wrong', async (args, message) => {
    const { exitCode, stderr } = await cli(...args.map((arg) => (arg === 'VIEW' ? world.view : arg)));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
  });
});
