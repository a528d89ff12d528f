import { existsSync, globSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../cli/create-program.ts';
import { ERROR_CODES } from '../../engine/errors/error-codes.ts';
import { allErrorSites, errorsPage } from '../../scripts/errors-page.ts';

const sites = allErrorSites();
const OWN = 'test/layers/errors-page.test.ts';
const internal = Object.entries(ERROR_CODES).find(([title]) => title.startsWith('Internal'))![1];
const codes = Object.values(ERROR_CODES).flatMap((section) => Object.keys(section));

/** Codes that come from another process, or stand beside values: no place of ours puts them together with a remedy. */
const WITHOUT_A_PLACE = [
  'value-out-of-range',
  'too-many-distinct',
  'derived-failed',
  'input-error',
  'lifecycle-failed',
  'workflow-failed',
];

test('docs/errors.md is what the sources say: write it again with node scripts/write-errors-page.ts', () => {
  expect(readFileSync('docs/errors.md', 'utf8')).toBe(errorsPage());
});

test('every code is raised somewhere, and stands in the table once', () => {
  expect(codes.length).toBe(new Set(codes).size);
  const raised = new Set(sites.map(({ code }) => code));
  expect(codes.filter((code) => !raised.has(code))).toEqual(WITHOUT_A_PLACE);
});

test('every code that is not internal is provoked by a test', () => {
  const provoked = new Set(
    globSync('test/**/*.ts', { exclude: [OWN] }).flatMap((path) => codesExpected(readFileSync(path, 'utf8'))),
  );
  expect(codes.filter((code) => !(code in internal) && !provoked.has(code))).toEqual([]);
});

test('a code that a test only makes up is not provoked by it', () => {
  const made = "throw new MillraceError('log-gap', 'x', { remedy: 'y' }); scriptedFailure('not-started');";
  expect(codesExpected(made)).toEqual([]);
  expect(
    codesExpected("// log-hole\nexpect(code).toBe('log-gap'); expect(text).toContain('error not-started: x');"),
  ).toEqual(['log-gap', 'not-started']);
});

test('remedies name commands, options, settings and files that are there', async () => {
  const program = await createProgram();
  const commands = new Map(program.commands.map((command) => [command.name(), optionsOf(command)]));
  const settings = readFileSync('docs/configuration.md', 'utf8');
  const faults: string[] = [];
  for (const { code, path, remedies } of sites) {
    for (const remedy of remedies) {
      const fault = (what: string): void => void faults.push(`${code} (${path}): ${what} in ${JSON.stringify(remedy)}`);
      for (const [, name] of remedy.matchAll(/\bmillrace ([a-z][a-z-]*)/g))
        if (!commands.has(name as string)) fault(`no command ${name}`);
      for (const [, name] of remedy.matchAll(/[Ss]end [`"]([a-z-]+)[`"]/g))
        if (!commands.has(name as string)) fault(`no command ${name}`);
      const options = /temporal operator|kafka-[a-z]+\.sh/.test(remedy) ? [] : remedy.matchAll(/(?<![\w-])--[a-z-]+/g);
      for (const [option] of options)
        if (![...commands.values(), ['--omit', '--help']].some((known) => known.includes(option)))
          fault(`no option ${option}`);
      for (const [name] of remedy.matchAll(/\b(?:MILLRACE|KAFKA|TEMPORAL|DATABASE)_[A-Z_]+\b/g))
        if (!settings.includes(`\`${name}\``) && name !== 'TEMPORAL_NAMESPACE') fault(`no setting ${name}`);
      for (const [file] of remedy.matchAll(/\b(?:docs|engine|demo)\/[\w./-]+\.(?:md|ts)/g))
        if (!existsSync(file)) fault(`no file ${file}`);
    }
  }
  expect(faults).toEqual([]);
});

function optionsOf(command: Command): string[] {
  return [command, ...command.commands].flatMap((each) => each.options.map(({ long }) => long ?? ''));
}

/** The codes that a test names, but for titles, comments and the errors that it makes itself. */
function codesExpected(text: string): string[] {
  const expectations = text
    .replaceAll(/^\s*(?:\/\/|\*|\/\*|(?:test|it|describe)\().*$/gm, '')
    .replaceAll(/\b(?:MillraceError|scriptedFailure|receivedCode)\(\s*'[\w-]+'/g, '');
  return (expectations.match(/(?<=['"`\s])[a-z]+(?:-[a-z]+)*(?=['"`\s:.,])/g) ?? []).filter((word) =>
    codes.includes(word),
  );
}
