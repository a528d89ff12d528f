import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectFiles } from '../../cli/new-project/project-files.ts';
import { runCli } from '../cli/run-cli.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/try.md'), 'utf8');

/** Each command, and what is printed under it. */
const examples = [...page.matchAll(/^```sh\nnpx millrace (.*)\n```\n```text\n([\s\S]*?)^```$/gm)].map(
  ([, command, output]) => ({ command: command!, output: output! }),
);

/** How long it took is of no example. */
const withoutTime = (text: string): string => text.replaceAll(/ in \d+\.\d s;/g, ' in 0.2 s;');

let project: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'millrace-try-'));
  const files = projectFiles({ name: 'shop', millrace: '*', nowMs: Date.UTC(2026, 4, 1) });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

test('there are examples', () => expect(examples).toHaveLength(2));

test.for(examples)('millrace $command prints what stands there, with no service named', async ({ command, output }) => {
  const { exitCode, stdout, stderr } = await runCli(command.split(' '), {}, project);
  // Of one that failed its error is seen.
  expect({ exitCode, stdout: withoutTime(stdout), told: exitCode === 0 ? '' : stderr }).toEqual({
    exitCode: 0,
    stdout: withoutTime(output),
    told: '',
  });
});

test('a page is written, and JSON is told; a label without a spine, and a size that is none, are refused', async () => {
  const args = ['try', 'churn_model', '--spine', 'data/labels.csv', '--label', 'churned', '--html', 'p.html', '--json'];
  const { exitCode, stdout } = await runCli(args, {}, project);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ subject: 'service churn_model', label: { rows: 40 }, rows: { rows: 40 } });
  expect(readFileSync(join(project, 'p.html'), 'utf8')).toMatch(/^<!doctype html>[\s\S]*<svg[\s\S]*<\/html>\n$/);
  const refused = [
    [['try', 'churn_model', '--label', 'churned'], 'error invalid-usage: --label names a column of a spine'],
    [['try', 'churn_model', '--sample', '-3'], 'error invalid-usage: '],
    [['try', 'churn_model', '--html', 'nowhere/p.html'], 'error out-not-writable: '],
    [['try', 'churn_modal'], 'error unknown-view: no service and no view "churn_modal"; known: churn_model'],
  ] as const;
  for (const [words, told] of refused) {
    const run = await runCli(words, {}, project);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(told);
  }
});
