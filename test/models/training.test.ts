/** Trainings by real commands, over the real services. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runningActivities } from '../../cli/lifecycle-client.ts';
import { modelAliases, modelVersions } from '../../engine/postgres/model-versions.ts';
import type { TrainStatus } from '../../workflows/train-model/contract.ts';
import { lives } from '../commands/command-fixture.ts';
import { eventually, pageOf, uniqueView } from '../lifecycle/lifecycle-harness.ts';
import { TRAINS, TrainingWorld } from './training-world.ts';

let world: TrainingWorld;
beforeAll(async () => {
  world = await TrainingWorld.open(inject('stack'));
}, 600_000);
afterAll(() => world?.close());

const SAYS_PID = `import { writeFileSync } from 'node:fs';
writeFileSync(process.env.PIDS + '/' + process.pid, '');
`;

async function failure(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error: unknown = await handle.result().then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof WorkflowFailedError)) throw error;
  const cause = error.cause?.cause;
  if (!(cause instanceof ApplicationFailure)) throw error;
  return cause;
}

const keptOf = (model: string): string[] =>
  readdirSync(join(world.archiveDir, 'trainings', model)).flatMap((run) =>
    readdirSync(join(world.archiveDir, 'trainings', model, run)).map((name) => name),
  );
const pids = (): number[] =>
  readdirSync(world.clicks.folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

describe('trainModel', { timeout: 600_000 }, () => {
  it('exports, runs the command, publishes a challenger, and keeps what was said', async () => {
    const model = uniqueView('whole');
    const input = world.input(model, world.script('whole', TRAINS), {
      minimum: { measure: 'logLoss', betterThan: 'base-rate' },
    });
    const result = (await (await world.start(input)).result()) as TrainStatus;
    expect(result).toMatchObject({
      phase: 'published',
      set: { rows: 300, features: 4, split: null },
      command: { lines: 3, tail: ['epoch 1', 'epoch 2', 'epoch 3'], hasMetrics: true },
      judgement: {
        metrics: { logLoss: 0.4 },
        isMet: true,
        why: 'logLoss is 0.4, better than that of the base rate, 0.69',
      },
      published: { version: 1, isNew: true, alias: 'challenger', unannounced: null },
    });
    const [version] = await modelVersions(world.clicks.pool, model);
    expect(version).toMatchObject({
      sha256: result.published?.sha256,
      actor: 'ana',
      metrics: { logLoss: 0.4, logLossBase: 0.69 },
      lineage: { trainingSet: result.set?.sha256, rows: 300, labels: ['late'] },
    });
    expect(await modelAliases(world.clicks.pool, model)).toMatchObject([{ alias: 'challenger', version: 1 }]);
    const bytes = readFileSync(join(world.archiveDir, 'models', model, version?.sha256 ?? ''), 'utf8');
    expect(JSON.parse(bytes)).toEqual({
      rows: 300,
      columns: ['n', 'total', 'n_1d', 'last_amount'].map((feature) => `${world.clicks.view}__${feature}`),
      bytes: result.set?.sizeBytes,
    });
    expect(keptOf(model).sort()).toEqual(['command.log', 'metrics.json', 'training.parquet.manifest.json']);
    expect(readFileSync(join(world.archiveDir, result.run, 'command.log'), 'utf8')).toBe('epoch 1\nepoch 2\nepoch 3\n');
    // The same model of the same set is the same version.
    const again = (await (await world.start(input)).result()) as TrainStatus;
    expect(again.set?.sha256).toBe(result.set?.sha256);
    expect(again.published).toMatchObject({ version: 1, isNew: false });
  });

  it('gives both parts of a set that is divided', async () => {
    const model = uniqueView('split');
    const reads = `import { statSync, writeFileSync } from 'node:fs';
writeFileSync(process.env.MILLRACE_MODEL_OUT, [process.env.MILLRACE_TRAINING_SET, process.env.MILLRACE_TEST_SET].map((file) => file.replace(/.*\\//, '') + ' ' + (statSync(file).size > 0)).join());`;
    const input = world.input(model, world.script('split', reads), { split: 0.8, as: 'none' });
    const result = (await (await world.start(input)).result()) as TrainStatus;
    expect(result.set?.split).toMatchObject({ trainRows: 240, testRows: 60 });
    const [version] = await modelVersions(world.clicks.pool, model);
    expect(readFileSync(join(world.archiveDir, 'models', model, version?.sha256 ?? ''), 'utf8')).toBe(
      'training.train.parquet true,training.test.parquet true',
    );
    expect(await modelAliases(world.clicks.pool, model)).toEqual([]);
  });

  it.each([
    [
      'training-command-failed',
      "console.error('no column late'); process.exit(3);",
      /node train\.mjs ended with exit code 3; its last lines:\nno column late/,
    ],
    ['training-left-no-model', "console.log('done');", /left no model; its last lines:\ndone/],
    [
      'training-silent',
      "console.log('begun'); setInterval(() => undefined, 1000);",
      /said nothing for 3 s and was ended; its last lines:\nbegun/,
    ],
    [
      'unfit-model-file',
      "import { truncateSync, writeFileSync } from 'node:fs'; writeFileSync(process.env.MILLRACE_MODEL_OUT, 'm'); truncateSync(process.env.MILLRACE_MODEL_OUT, 300 * 2 ** 20);",
      /has 314572800 bytes; at most 268435456 are taken/,
    ],
  ] as const)('fails by name, publishes nothing and leaves nothing: %s', async (code, script, message) => {
    const model = uniqueView('bad');
    const handle = await world.start(world.input(model, world.script(model, script), { silence: '3s' }));
    expect(await failure(handle)).toMatchObject({ type: code, message: expect.stringMatching(message) as string });
    expect(await handle.query<TrainStatus>('status')).toMatchObject({
      phase: 'failed',
      error: { code, during: 'train' },
    });
    expect(await pageOf(handle)).toContain(`**Error \`${code}\`** during train`);
    expect(await modelVersions(world.clicks.pool, model)).toEqual([]);
    expect(keptOf(model).sort()).toEqual(['command.log', 'training.parquet.manifest.json']);
  });

  it('shows what the command says while it runs; cancelled, the command is gone', async () => {
    const model = uniqueView('shown');
    const says = `${SAYS_PID}let step = 0; setInterval(() => console.log('step', ++step), 50);`;
    const before = pids();
    const handle = await world.start(
      world.input(model, world.script('shown', says), { environment: { PIDS: world.clicks.folder } }),
    );
    const figures = await eventually(
      async () =>
        runningActivities(await handle.describe()).find(({ type }) => type === 'runTrainingCommand')?.figures['tail'],
    );
    expect(figures).toMatch(/^step \d+$/m);
    const [pid] = pids().filter((one) => !before.includes(one));
    expect(lives(pid ?? 0)).toBe(true);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    await eventually(() => !lives(pid ?? 0));
    expect(keptOf(model).sort()).toEqual(['command.log', 'training.parquet.manifest.json']);
  });

  it('outlives its worker: the command of the one that was killed is gone, and it is begun anew', async () => {
    const model = uniqueView('killed');
    const twice = `${SAYS_PID}import { readdirSync } from 'node:fs';
console.log('begun');
if (readdirSync(process.env.PIDS).filter((name) => /^\\d+$/.test(name)).length > Number(process.env.BEFORE) + 1) writeFileSync(process.env.MILLRACE_MODEL_OUT, 'model');
else setInterval(() => console.log('on'), 100);`;
    const before = pids();
    const environment = { PIDS: world.clicks.folder, BEFORE: String(before.length) };
    const handle = await world.start(world.input(model, world.script('killed', twice), { environment }));
    const first = await eventually(() => pids().find((pid) => !before.includes(pid)));
    const worker = world.clicks.workerPid;
    expect(lives(first)).toBe(true);
    process.kill(worker, 'SIGKILL');
    await eventually(() => !lives(first));
    expect(await handle.result()).toMatchObject({ phase: 'published', published: { version: 1 } });
    expect(pids()).toHaveLength(before.length + 2);
    expect(world.clicks.workerPid).not.toBe(worker);
  });

  it('leaves no command behind when its worker is stopped', async () => {
    const model = uniqueView('stopped');
    const before = pids();
    const says = `${SAYS_PID}setInterval(() => console.log('on'), 100);`;
    const handle = await world.start(
      world.input(model, world.script('stopped', says), { environment: { PIDS: world.clicks.folder } }),
    );
    const pid = await eventually(() => pids().find((one) => !before.includes(one)));
    await world.clicks.stopWorker();
    expect(lives(pid)).toBe(false);
    expect(
      existsSync(join(world.clicks.folder, 'spill')) ? readdirSync(join(world.clicks.folder, 'spill')) : [],
    ).toEqual([]);
    await handle.terminate();
    await world.startWorker();
  });

  it('is refused by a worker that runs no commands, before anything is exported: commands-not-allowed', async () => {
    await world.clicks.stopWorker();
    await world.startWorker({ MILLRACE_TRAINING_DIR: '' });
    const model = uniqueView('refused');
    const handle = await world.start(world.input(model, 'whole'));
    expect(await failure(handle)).toMatchObject({
      type: 'commands-not-allowed',
      message: expect.stringContaining('MILLRACE_TRAINING_DIR is not set') as string,
    });
    expect(existsSync(join(world.archiveDir, 'trainings', model))).toBe(false);
  });
});
