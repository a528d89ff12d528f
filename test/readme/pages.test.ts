import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../cli/create-program.ts';
import { cliPage } from '../../scripts/cli-page.ts';
import { openApiDocument } from '../../scripts/openapi-document.ts';
import { compileErrors, moduleOf } from './typescript-examples.ts';

const MOST_LINES = 200;
const PAGES = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md').sort()];
const textOf = (path: string): string => readFileSync(path, 'utf8');
/** What people read, and run: not the records of decisions. */
const GUIDES = PAGES.filter((path) => !path.startsWith('docs/adr/'));

test('the README is a front door', () => {
  expect(textOf('README.md').split('\n').length).toBeLessThanOrEqual(MOST_LINES);
});

test('docs/cli.md is what the commands say: write it again with node scripts/write-cli-page.ts', async () => {
  expect(textOf('docs/cli.md')).toBe(await cliPage());
});

test('docs/openapi.json is what servers give out: write it again with node scripts/write-openapi.ts', async () => {
  expect(textOf('docs/openapi.json')).toBe(await openApiDocument());
});

test('links lead to files and headings that are there', () => {
  const broken = PAGES.flatMap((path) =>
    [...textOf(path).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
      .filter(([, target, heading]) => !leads(path, target!, heading))
      .map(([link]) => `${path}: ${link}`),
  );
  expect(broken).toEqual([]);
});

test('every page is found from the README', () => {
  const linked = new Set<string>();
  const follow = (path: string): void => {
    if (linked.has(path) || !existsSync(path)) return;
    linked.add(path);
    for (const [, target] of textOf(path).matchAll(/\]\((?!https?:)([^)#\s]+\.md)/g))
      follow(join(dirname(path), target!));
  };
  follow('README.md');
  expect(GUIDES.filter((path) => !linked.has(path))).toEqual([]);
});

test('examples in TypeScript compile', async () => {
  const modules = new Map<string, string>();
  for (const path of GUIDES) {
    const text = moduleOf(textOf(path));
    if (text !== null) modules.set(`${path.replaceAll(/\W/g, '-')}.ts`, text);
  }
  expect(modules.size).toBeGreaterThan(3);
  expect(await compileErrors(modules)).toEqual([]);
  // And the compiler is asked in earnest.
  const wrong = new Map([['wrong.ts', moduleOf("```ts\nimport { entity } from 'millrace';\nentity(1);\n```\n")!]]);
  expect((await compileErrors(wrong)).join('\n')).toContain('wrong.ts(');
});

test('docs/configuration.md has every setting that is read, and no other', () => {
  const settings = (text: string): string[] => text.match(/\bMILLRACE_[A-Z_]*[A-Z]\b(?!_)/g) ?? [];
  const read = globSync('{activities,cli,config,engine,serving,stack,workflows}/**/*.ts')
    .concat('worker.ts')
    .flatMap((path) => settings(textOf(path)));
  expect([...new Set(settings(textOf('docs/configuration.md')))].sort()).toEqual([...new Set(read)].sort());
});

describe('commands in pages', async () => {
  const program = await createProgram();
  const lines = GUIDES.flatMap((path) =>
    [...textOf(path).matchAll(/^```(?:sh|console)?\n([\s\S]*?)^```$/gm)].flatMap(([, block]) =>
      [...block!.matchAll(/(?:^|[\s;])(?:npx |-- )?millrace ((?:-- )?[a-z][a-z-]*(?: [^#\n|&]*)?)/gm)].map(
        ([, words]) => [path, words!.replace(/^-- /, '').trim()] as const,
      ),
    ),
  );
  test.each(lines)('%s: millrace %s', (_path, words) => {
    expect(faultOf(program, words.split(/\s+/))).toBe(null);
  });
  test('one that is not there is told', () => {
    expect(lines.length).toBeGreaterThan(15);
    expect(faultOf(program, ['fly'])).toBe('no command fly');
    expect(faultOf(program, ['token', 'melt'])).toBe('no command melt');
    expect(faultOf(program, ['status', '--loud'])).toBe('no option --loud');
  });
});

function leads(path: string, target: string, heading: string | undefined): boolean {
  const file = target === '' ? path : join(dirname(path), target);
  if (!existsSync(file)) return false;
  if (heading === undefined) return true;
  const headings = [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, text]) => anchorOf(text!));
  return headings.includes(heading);
}

/** As GitHub makes the names of headings. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** What is wrong with a command line, as its command, the commands below it and its options go; null: nothing. */
function faultOf(program: Command, [name, ...rest]: readonly string[]): string | null {
  const named = (wanted: string | undefined) => program.commands.find((each) => each.name() === wanted);
  // `train MODEL` is `train run MODEL`.
  const command = named(name) ?? named('run');
  if (command === undefined) return `no command ${name}`;
  if (command.commands.length > 0 && rest.length > 0 && !rest[0]!.startsWith('-')) return faultOf(command, rest);
  const known = command.options.flatMap(({ long, short }) => [long, short]);
  const unknown = rest.find(
    (word) => /^--?[a-z]/.test(word) && word !== '--help' && !known.includes(word.split('=')[0]),
  );
  return unknown === undefined ? null : `no option ${unknown}`;
}
