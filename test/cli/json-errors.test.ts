import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/create-program.ts';
import { runCli } from './run-cli.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-json-errors-'));
  writeFileSync(join(folder, 'not-empty'), '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every command that does something, as it is typed with all that it requires. */
function commandLines(command: Command, path: readonly string[] = []): string[][] {
  if (command.commands.length > 0) return command.commands.flatMap((one) => commandLines(one, [...path, one.name()]));
  const given = command.registeredArguments
    .filter(({ required }) => required)
    .map((argument) => argument.argChoices?.[0] ?? (argument.name() === 'version' ? '1' : 'k=1'));
  const options = command.options
    .filter(({ mandatory }) => mandatory)
    .flatMap(({ long, argChoices }) => [long!, argChoices?.[0] ?? (long === '--scope' ? 'read:x' : '1')]);
  // Of an export that takes its rows from one place or another, no option is required by itself.
  const chosen = command.name() === 'export' && path.length === 1 ? ['--spine', '1', '--out', '1'] : [];
  return [[...path, ...given, ...options, ...chosen]];
}

const lines = commandLines(await createProgram());
/** One logs JSON lines, whatever is asked for; the other takes a minute to come to what can be wrong. */
const OTHERS = new Set(['worker', 'demo']);

interface Told {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

async function told(args: readonly string[], variables: NodeJS.ProcessEnv): Promise<Told['error']> {
  const { exitCode, stdout, stderr } = await runCli(args, variables, folder);
  expect(exitCode).toBe(1);
  const { error } = JSON.parse(stdout) as Told;
  expect(stderr).toContain(`error ${error.code}: ${error.message.split('\n')[0]}`);
  expect(error.remedy).not.toBe('');
  return error;
}

describe('errors are JSON on standard output with --json, and words on standard error', () => {
  it('knows the commands', () => {
    expect(lines.length).toBeGreaterThan(25);
  });

  it.each(lines.map((line) => line.join(' ')))('%s: of its command line', async (line) => {
    const error = await told([...line.split(' '), '--json', '--no-such-option'], {});
    expect(error).toMatchObject({ code: 'invalid-usage', message: expect.stringContaining('unknown option') });
  });

  it.each(lines.map((line) => line.join(' ')).filter((line) => !OTHERS.has(line)))(
    '%s: of what it does',
    async (line) => {
      // In a folder that is not empty, without services and definitions, by an environment that makes no sense.
      const variables = { KAFKA_BROKERS: 'nonsense', MILLRACE_DATA_DIR: join(folder, 'none') };
      const { code } = await told([...line.split(' '), '--json'], variables);
      expect(code).not.toMatch(/unexpected-error|internal-bug|invalid-usage/);
    },
  );

  it.each([
    [['nonsense', '--json'], "unknown command 'nonsense'"],
    [['start', '--json'], "missing required argument 'view'"],
    [['start', 'x', '--shards', '0', '--json'], 'expected a whole number of at least 1'],
    [['export', '--json'], "required option '--service <name>' not specified"],
    [['list', 'everything', '--json'], 'entities, sources, services, views, label-sets'],
  ])('%j', async (args, message) => {
    expect(await told(args, {})).toMatchObject({ code: 'invalid-usage', message: expect.stringContaining(message) });
  });

  it('a plan has its faults beside the error', async () => {
    const { exitCode, stdout } = await runCli(['plan', '--json', '--features', join(folder, 'none')], {});
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'definitions-not-found' } });
  });

  it('help and version are no errors', async () => {
    for (const args of [['--help'], ['--version'], ['start', '--help'], ['help', 'start']])
      expect(await runCli(args, {})).toMatchObject({ exitCode: 0, stderr: '' });
    const { exitCode, stdout, stderr } = await runCli([], {});
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toContain('Usage: millrace');
  });
});
