/** `millrace train`, over the real services. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { CliRun, type CliResult, runCli } from '../cli/run-cli.ts';
import { eventually, uniqueView } from '../lifecycle/lifecycle-harness.ts';
import { TRAINS, TrainingWorld } from './training-world.ts';

let world: TrainingWorld;
beforeAll(async () => {
  world = await TrainingWorld.open(inject('stack'));
}, 600_000);
afterAll(() => world?.close());

const run = (...args: string[]): Promise<CliResult> => runCli(['train', ...args], world.variables);
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await run(...args, '--json');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return JSON.parse(stdout) as Record<string, unknown>;
}
const given = (workdir: string): string[] => [
  '--service',
  `${world.clicks.view}_service`,
  '--spine',
  world.spine,
  '--command',
  'node train.mjs',
  '--workdir',
  workdir,
];

describe('millrace train', { timeout: 300_000 }, () => {
  it('says what would be asked for, and starts nothing', async () => {
    const model = uniqueView('dry');
    expect(await json(model, ...given('nowhere'), '--as', 'champion', '--dry-run')).toMatchObject({
      model,
      spine: world.spine,
      command: 'node train.mjs',
      as: 'champion',
      approve: 'before-publish',
    });
    expect(await run('status', model)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('training-not-started') as string,
    });
  });

  it('follows a training, tells what its command says, and what came of it', async () => {
    const model = uniqueView('followed');
    const workdir = world.script('followed', TRAINS.replace('console.log(', 'console.log(process.env.NAME, '));
    const { exitCode, stdout, stderr } = await run(
      model,
      ...given(workdir),
      '--variable',
      'NAME=late',
      '--minimum',
      'logLoss<base-rate',
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toContain('  late epoch 1\n  late epoch 2\n  late epoch 3\n');
    expect(stderr).toMatch(/training of \w+: http\S+\/workflows\/train%3A/);
    for (const text of ['published', '300 rows, 4 features', 'logLoss', 'minimum met', '1, challenger'])
      expect(stdout).toContain(text);
    expect(await json('status', model)).toMatchObject({ phase: 'published', published: { version: 1 } });
    const below = await run(model, ...given(workdir), '--minimum', 'logLoss<=0.1');
    expect(below).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('not at most 0.1') as string });
    const champion = await json(
      model,
      ...given(workdir),
      '--minimum',
      'logLoss<champion',
      '--as',
      'champion',
      '--approve',
      'never',
    );
    expect(champion).toMatchObject({
      phase: 'published',
      judgement: { why: 'logLoss is 0.4, and there is no champion to compare it with' },
    });
  });

  it('stops following where approval is waited for; approve goes on, reject ends it', async () => {
    const model = uniqueView('asked');
    const file = join(world.clicks.folder, 'asked.json');
    const asked = {
      service: `${world.clicks.view}_service`,
      spine: 'labels.csv',
      command: ['node', 'train.mjs'],
      workdir: world.script('asked', TRAINS),
    };
    writeFileSync(file, JSON.stringify({ ...asked, approve: 'before-publish' }));
    const waits = await run(model, '--file', file);
    expect(waits).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('awaiting-publish') as string });
    expect(waits.stderr).toContain(`millrace train approve ${model}`);
    expect(await run(model, '--file', file)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('training-under-way') as string,
    });
    expect(await json('approve', model, '--wait')).toMatchObject({
      phase: 'published',
      published: { alias: 'challenger' },
    });
    expect(await run('approve', model)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('training-not-started') as string,
    });
    const waiting = new CliRun(['train', model, '--file', file, '--wait'], world.variables);
    await waiting.told('awaiting-publish: millrace train approve');
    await json('reject', model);
    expect(await waiting.ended).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('rejected') as string });
    const events = await auditEvents(world.clicks.pool, { subject: model, limit: 20 });
    expect(events.map(({ action, actor }) => `${action} by ${actor}`)).toEqual(
      expect.arrayContaining([
        'train by ana',
        'approve by ana',
        'reject by ana',
        'train end by ana',
        'model publish by ana',
      ]),
    );
  });

  it('gives the error of a command that failed', async () => {
    const model = uniqueView('failed');
    const { exitCode, stderr } = await run(
      model,
      ...given(world.script('failed', "console.log('epoch 1'); process.exit(4);")),
    );
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'error training-command-failed: node train.mjs ended with exit code 4; its last lines:\nepoch 1',
    );
  });

  it('refuses by name what it can tell at once', async () => {
    const file = join(world.clicks.folder, 'bad.json');
    writeFileSync(file, '[]');
    for (const [args, code] of [
      [['late', '--file', file], 'training-file-unreadable'],
      [['late', '--file', join(world.clicks.folder, 'none.json')], 'training-file-unreadable'],
      [['late', ...given('.'), '--labels', 'late'], 'invalid-input'],
      [['late-flights', ...given('.')], 'invalid-name'],
      [['schedule', 'late', ...given('.')], 'bad-options'],
      [['schedule', 'late', ...given('.'), '--every', '1d', '--cron', '0 3 * * 1'], 'bad-options'],
      [['schedule', 'late', '--every', '1d'], 'invalid-input'],
    ] as const)
      expect(await run(...args)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining(`error ${code}:`) as string,
      });
  });

  it('trains on a schedule, and on none any more', async () => {
    const model = uniqueView('weekly');
    const workdir = world.script('weekly', TRAINS);
    expect(
      await json('schedule', model, ...given(workdir), '--cron', '0 3 * * 1', '--zone', 'Europe/Berlin'),
    ).toMatchObject({
      scheduleId: `train:${model}`,
      times: '0 3 * * 1 (Europe/Berlin)',
      made: true,
      overlap: 'skip',
      next: expect.arrayContaining([expect.stringMatching(/T0[12]:00:00/)]) as string[],
    });
    expect(await json('schedule', model, ...given(workdir), '--every', '1w')).toMatchObject({
      times: 'every 7d',
      made: false,
    });
    const schedule = world.client.schedule.getHandle(`train:${model}`);
    expect(await schedule.describe()).toMatchObject({
      policies: { overlap: 'SKIP' },
      spec: { intervals: [{ every: 604_800_000 }] },
    });
    // As its time comes.
    await schedule.trigger();
    const status = await eventually(async () => {
      const { exitCode, stdout } = await run('status', model, '--json');
      const told = exitCode === 0 ? (JSON.parse(stdout) as { readonly phase: string }) : null;
      return told?.phase === 'published' && told;
    });
    expect(status).toMatchObject({ published: { version: 1 } });
    expect((await schedule.describe()).info.recentActions).toMatchObject([
      { action: { workflow: { workflowId: expect.stringMatching(`^train:${model}:scheduled-`) as string } } },
    ]);
    expect(await json('unschedule', model)).toMatchObject({ removed: true });
    expect(await json('unschedule', model)).toMatchObject({ removed: false });
    const events = await auditEvents(world.clicks.pool, { subject: model, limit: 20 });
    expect(events.filter(({ action }) => action === 'train schedule')).toHaveLength(3);
  });
});
