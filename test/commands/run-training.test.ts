/** What a training is given, what is taken of what it left, and what it is refused for. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync, existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkGivenVariables } from '../../engine/commands/command-variables.ts';
import { checkCommand, runTraining, type TrainingRunOptions } from '../../engine/commands/run-training.ts';
import { CommandPlace } from './command-fixture.ts';

let place: CommandPlace;
beforeAll(() => {
  place = new CommandPlace();
});
afterAll(() => place.close());

const WRITES = `import { writeFileSync } from 'node:fs';
const { env } = process;
`;
const leftBy = ({ left }: TrainingRunOptions): string[] => readdirSync(dirname(left.model)).sort();
async function refusal(asked: TrainingRunOptions, code: string): Promise<string> {
  const error: unknown = await runTraining(asked).then(
    () => new Error('it was taken'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code });
  // Nothing of the run stays but its log.
  expect(place.scratched).toEqual([]);
  expect(leftBy(asked).filter((name) => name !== 'command.log')).toEqual([]);
  return (error as Error).message;
}

describe('a training', { timeout: 120_000 }, () => {
  it('is given its set, and has its model and metrics taken', async () => {
    process.env['MILLRACE_TEST_PASSED'] = 'seven';
    const asked = place.training(
      `${WRITES}import { env as same, cwd } from 'node:process';
writeFileSync(env.MILLRACE_MODEL_OUT, JSON.stringify({ env, cwd: cwd() }));
writeFileSync(env.MILLRACE_METRICS_OUT, '{"logLoss": 0.25}');
writeFileSync('left-in-the-folder', 'x');
console.log('epoch 1');`,
      { environment: { SEED: '7' }, said: { OWN_LABEL: 'late' } },
    );
    const run = await runTraining({
      ...asked,
      rules: { ...asked.rules, passed: ['MILLRACE_TEST_PASSED'] },
      set: { ...asked.set, testFile: '/sets/test.parquet' },
    });
    delete process.env['MILLRACE_TEST_PASSED'];
    expect(run).toMatchObject({ hasMetrics: true, tail: { lines: ['epoch 1'] }, logFault: null });
    expect(leftBy(asked)).toEqual(['command.log', 'metrics.json', 'model']);
    expect(readFileSync(asked.left.metrics, 'utf8')).toBe('{"logLoss": 0.25}');
    const text = readFileSync(asked.left.model, 'utf8');
    expect(run.modelBytes).toBe(text.length);
    const { env, cwd } = JSON.parse(text) as { env: Record<string, string>; cwd: string };
    expect(env).toMatchObject({
      SEED: '7',
      OWN_LABEL: 'late',
      MILLRACE_TEST_PASSED: 'seven',
      MILLRACE_MODEL: 'late',
      MILLRACE_TRAINING_SET: asked.set.trainFile,
      MILLRACE_TEST_SET: '/sets/test.parquet',
      MILLRACE_MANIFEST: asked.set.manifest,
    });
    // All that is its own lies in one folder, which is gone.
    const work = dirname(cwd);
    for (const name of ['HOME', 'TMPDIR', 'MILLRACE_MODEL_OUT', 'MILLRACE_METRICS_OUT'])
      expect(env[name]?.startsWith(`${work}/`)).toBe(true);
    expect(place.scratched).toEqual([]);
    expect(existsSync(join(place.roots, asked.folder, 'left-in-the-folder'))).toBe(false);
  });

  it('may be the one of docs/train.md', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/train.md'), 'utf8');
    const asked = place.training(/```js\n([^]*?)```/.exec(page)?.[1] ?? '');
    const views = [{ features: [{ column: 'a__n' }, { column: 'a__m' }] }];
    writeFileSync(asked.set.manifest, JSON.stringify({ rows: 7, views }));
    expect(await runTraining(asked)).toMatchObject({ hasMetrics: true, tail: { lines: ['7 rows of a__n, a__m'] } });
    const model = JSON.parse(readFileSync(asked.left.model, 'utf8')) as unknown;
    expect(model).toEqual({ columns: ['a__n', 'a__m'], weights: [0, 0] });
  });

  it('runs in a copy of its code, in which environments are links; which code ran is told', async () => {
    const script = `${WRITES}import { lstatSync } from 'node:fs';
import { weight } from './deep/weight.mjs';
import { from } from 'dependency';
writeFileSync('train.mjs', 'overwritten');
writeFileSync(env.MILLRACE_MODEL_OUT, JSON.stringify([weight, from, lstatSync('node_modules').isSymbolicLink()]));`;
    const asked = place.training(script);
    const files = {
      'deep/weight.mjs': 'export const weight = 3;',
      'node_modules/dependency/package.json': '{"name":"dependency","type":"module","exports":"./index.js"}',
      'node_modules/dependency/index.js': "export const from = 'dependency';",
      '.git/HEAD': 'x'.repeat(100),
    };
    place.code(files, asked.folder);
    const first = await runTraining(asked);
    expect(JSON.parse(readFileSync(asked.left.model, 'utf8'))).toEqual([3, 'dependency', true]);
    expect(readFileSync(join(place.roots, asked.folder, 'train.mjs'), 'utf8')).toBe(script);
    expect((await runTraining(asked)).codeSha256).toBe(first.codeSha256);
    place.code({ 'deep/weight.mjs': 'export const weight = 4;' }, asked.folder);
    expect((await runTraining(asked)).codeSha256).not.toBe(first.codeSha256);
  });

  it('may be one text for the shell', async () => {
    const asked = place.training('');
    await runTraining({ ...asked, command: 'echo "$MILLRACE_MODEL" | tr a-z A-Z > "$MILLRACE_MODEL_OUT"' });
    expect(readFileSync(asked.left.model, 'utf8')).toBe('LATE\n');
  });

  it('that fails is told with its last lines: training-command-failed', async () => {
    const asked = place.training(
      "for (let i = 0; i < 100; i++) console.log('epoch', i); console.error('no column late'); process.exit(7);",
    );
    const message = await refusal(asked, 'training-command-failed');
    expect(message).toMatch(/node.* train\.mjs ended with exit code 7; its last lines:\n/);
    expect(message).toContain('no column late');
    expect(readFileSync(asked.left.log, 'utf8')).toContain('epoch 0\n');
    const killed = place.training("console.log('big'); process.kill(process.pid, 'SIGKILL');");
    expect(await refusal(killed, 'training-command-failed')).toContain(
      'ended with signal SIGKILL; its last lines:\nbig',
    );
  });

  it('that hangs, takes too long or too much memory is told as that', async () => {
    const hangs = "console.log('begun'); setInterval(() => undefined, 1000);";
    expect(await refusal(place.training(hangs, { silenceMs: 1_500 }), 'training-silent')).toMatch(
      /said nothing for 2 s and was ended; its last lines:\nbegun$/,
    );
    const talks = "setInterval(() => console.log('on'), 50);";
    expect(await refusal(place.training(talks, { timeoutMs: 1_500 }), 'training-too-long')).toContain('ran for 2 s');
    const grows = 'const held = []; setInterval(() => held.push(Buffer.alloc(8 << 20, 1)), 20);';
    const memoryBytes = 200 * 2 ** 20;
    expect(await refusal(place.training(grows, { memoryBytes }), 'training-over-memory')).toMatch(
      /of 200 MB that it may/,
    );
  });

  it('that leaves no model, or none that can be taken, is refused', async () => {
    expect(await refusal(place.training("console.log('done')"), 'training-left-no-model')).toMatch(
      /left no model; its last lines:\ndone$/,
    );
    const unfit = async (rest: string): Promise<string> => refusal(place.training(WRITES + rest), 'unfit-model-file');
    expect(await unfit("writeFileSync(env.MILLRACE_MODEL_OUT, '');")).toContain('is empty');
    expect(await unfit('writeFileSync(env.MILLRACE_MODEL_OUT, Buffer.alloc(2 ** 20 + 1));')).toContain(
      'has 1048577 bytes; at most 1048576',
    );
    expect(
      await unfit("import { symlinkSync } from 'node:fs'; symlinkSync('/etc/passwd', env.MILLRACE_MODEL_OUT);"),
    ).toContain('is no plain file');
    expect(
      await unfit(
        "writeFileSync(env.MILLRACE_MODEL_OUT, 'm'); writeFileSync(env.MILLRACE_METRICS_OUT, Buffer.alloc(2 ** 20 + 1));",
      ),
    ).toContain('the metrics that the command left has 1048577 bytes');
  });

  it('runs in the folders of the operator and nowhere else', () => {
    const command = {
      command: ['node', 'train.mjs'],
      folder: place.code({ 'train.mjs': '' }, 'good'),
      environment: {},
    };
    const rules = { roots: [place.roots], passed: [] };
    expect(checkCommand(rules, command)).toBe(join(place.roots, 'good'));
    symlinkSync(place.scratch, join(place.roots, 'elsewhere'));
    mkdirSync(join(place.folder, 'code-beside'));
    const refused = (more: object, to: object = rules) => {
      try {
        checkCommand({ ...rules, ...to }, { ...command, ...more });
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
      return null;
    };
    expect(refused({}, { roots: [] })).toBe('commands-not-allowed');
    for (const folder of ['..', '../code-beside', '/etc', 'elsewhere', 'good/../../scratch'])
      expect(refused({ folder })).toBe('command-folder-outside');
    expect(refused({ folder: 'nowhere' })).toBe('command-folder-missing');
    expect(refused({ folder: 'good/train.mjs' })).toBe('command-folder-missing');
    expect(refused({ command: ['/bin/sh'] })).toBe('command-folder-outside');
    expect(refused({ command: ['../other/run.sh'] })).toBe('command-folder-outside');
    expect(refused({ command: ['.venv/bin/python', 'train.py'] })).toBe(null);
    for (const name of ['HOME', 'TMPDIR', 'MILLRACE_MODEL_OUT', '1A', 'A-B', ''])
      expect(refused({ environment: { [name]: 'x' } })).toBe('bad-command-variables');
    expect(() => checkGivenVariables({ SEED: 'x'.repeat(20_000) })).toThrow(/at most 16384/);
    expect(() => checkGivenVariables({ SEED: 'a\0b' })).toThrow(/NUL/);
  });

  it('of a folder with data in it is refused: command-folder-too-large', async () => {
    const asked = place.training('');
    writeFileSync(join(place.roots, asked.folder, 'rows.bin'), Buffer.alloc(257 * 2 ** 20));
    expect(await refusal(asked, 'command-folder-too-large')).toContain('256 MB');
  });
});
