import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DefinitionFault } from '../../engine/define/definition-fault.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { writeProject } from './code-of.ts';

const head = `import { entity, featureView, source } from 'millrace';
import { z } from 'zod';
const events = source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() }), eventTime: 'at', topic: 'events' });
const thing = entity('thing', { id: z.string() });
`;
const view = (row: string, name = 'v'): string =>
  `export const ${name} = featureView('${name}', { entity: thing, source: events, features: (f) => ({ x: f.sum((e) => ${row}) }) });\n`;

/** A package of the project beside the folder of definitions. */
function pack(name: string, code: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const folder = `../node_modules/${name}`;
  return {
    [`${folder}/package.json`]: JSON.stringify({
      name,
      version: '1.0.0',
      type: 'module',
      exports: './index.js',
      ...more,
    }),
    [`${folder}/index.js`]: code,
  };
}

async function faultsOf(files: Readonly<Record<string, string>>): Promise<readonly DefinitionFault[]> {
  try {
    await loadDefinitions(writeProject(files));
    return [];
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'invalid-definitions') throw error;
    return error.details['faults'] as readonly DefinitionFault[];
  }
}

const briefly = (faults: readonly DefinitionFault[]): string[] =>
  faults.map(({ kind, definition, path, code, message }) => `${kind} ${definition}, ${path} ${code}: ${message}`);

const atTheTop: readonly (readonly [line: string, label: string])[] = [
  ['const limit = Number(process.env.LIMIT ?? 5);', 'process.env.LIMIT'],
  ['const { HOME } = process.env;', 'process.env.HOME'],
  ["const all = { ...process.env }['X'];", 'process.env'],
  ["const codes = JSON.parse(readFileSync('/dev/null', 'utf8') || '{}');", 'fs.readFileSync()'],
  ["const there = await stat('/');", 'fs.promises.stat()'],
  ['const started = Date.now();', 'Date.now()'],
  ['const now = new Date();', 'new Date()'],
  ['const said = Date();', 'Date()'],
  ['const salt = Math.random();', 'Math.random()'],
  ['const id = randomUUID();', 'crypto.randomUUID()'],
  ['const other = crypto.getRandomValues(new Uint8Array(4));', 'crypto.getRandomValues()'],
  ['const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;', 'Intl.DateTimeFormat() without a locale'],
  ["const format = new Intl.NumberFormat('xx-unknown');", 'Intl.NumberFormat() without a locale'],
  ['const where = process.cwd();', 'process.cwd()'],
  ['const args = process.argv.length;', 'process.argv'],
  ['const platform = process.platform;', 'process.platform'],
  ['const ours = globalThis.process.pid;', 'process.pid'],
  ['const host = hostname();', 'os.hostname()'],
  ['const day = new Date(2020, 0, 1);', 'new Date(year, month, ...), which is local time,'],
  ["const local = new Date('2020-01-01T00:00');", 'new Date() of a local time'],
  ["const american = new Date('1-13-2020');", 'new Date() of a local time'],
  ["const hours = new Date('2020-01-01T00:00Z').getHours();", 'Date.prototype.getHours()'],
  ['const text = (1234.5).toLocaleString();', 'Number.prototype.toLocaleString() without a locale'],
  ["const upper = 'title'.toLocaleUpperCase();", 'String.prototype.toLocaleUpperCase() without a locale'],
  [
    "const sorted = ['b', 'a'].sort((a, b) => a.localeCompare(b));",
    'String.prototype.localeCompare() without a locale',
  ],
  ['const tick = performance.now();', 'performance.now()'],
  ['const lang = navigator.language;', 'navigator.language'],
  ['const answer = fetch("data:,x").catch(() => null);', 'fetch()'],
  ['const timer = setTimeout(() => {}, 0);', 'setTimeout()'],
  ['const shout = (() => 1).toString();', 'the text of a function'],
  ['const name = makeName();', 'crypto.randomBytes()'],
  ['const parsed = parse("x", { now: 1 });', 'process.env.LOCALE_OF_PARSER'],
];

test('what a file reads while it is imported is refused with its line, all at once', async () => {
  const imports = `import { readFileSync } from 'node:fs'; import { stat } from 'node:fs/promises'; import { randomUUID } from 'node:crypto'; import { hostname } from 'node:os'; import { makeName } from 'names'; import { parse } from 'parser';`;
  const files = {
    'index.ts': `${imports}\n${atTheTop.map(([line]) => line).join('\n')}\n${head}${view('e.n')}`,
    ...pack(
      'names',
      `const { randomBytes } = process.getBuiltinModule('node:crypto'); export const makeName = () => randomBytes(3).toString('hex');`,
    ),
    ...pack(
      'parser',
      `export const parse = (text) => process.env.NODE_ENV === 'x' ? 1 : process.platform === 'y' ? 2 : (process.env.LOCALE_OF_PARSER ?? text);`,
    ),
  };
  const faults = (await faultsOf(files)).filter(({ kind }) => kind === 'file');
  expect(briefly(faults)).toEqual(
    atTheTop.map(
      ([, label], index) => `file index.ts, line ${index + 2} impure-definition: uses ${label} while it is imported`,
    ),
  );
  expect(faults.every(({ remedy }) => remedy.length > 10)).toBe(true);
  expect(faults[0]?.remedy).toContain("with { type: 'json' }");
});

test('a file that another imports is refused in the same way, and so is the view that uses it', async () => {
  const faults = await faultsOf({
    'index.ts': `import { limit } from './lib/limit.ts';\n${head}${view('e.n > limit ? 1 : 0')}${view('e.n', 'w')}`,
    'lib/limit.ts': '\nexport const limit = Number(process.env.LIMIT);',
  });
  expect(briefly(faults)).toEqual([
    'file lib/limit.ts, line 2 impure-definition: uses process.env.LIMIT while it is imported',
  ]);
});

test('ordinary packages are no fault: what they ask of the machine when they are imported is theirs', async () => {
  const files = {
    'index.ts': `import { twice, dev } from 'ordinary';\nimport codes from './codes.json' with { type: 'json' };\n${head}${view('twice(e.n) + codes.list[0] + (dev ? 0 : 0)')}`,
    'codes.json': '{ "list": [1, 2] }',
    ...pack(
      'ordinary',
      `import fs from 'node:fs'; import { createHash } from 'node:crypto';
       const { NODE_ENV, HOME, NO_COLOR } = process.env;
       export const dev = NODE_ENV !== 'production';
       const started = Date.now(); const windows = process.platform === 'win32'; const home = HOME; const id = Math.random();
       const text = fs.existsSync('/') ? fs.readFileSync(new URL('package.json', import.meta.url), 'utf8') : '';
       const zone = Intl.DateTimeFormat().resolvedOptions();
       export const twice = (x) => { createHash('sha256').update(text); return x * 2; };`,
    ),
  };
  expect(briefly(await faultsOf(files))).toEqual([]);
});

test('what a package makes of the machine is refused where a value shows it', async () => {
  const code = `const offset = new Date(2020, 0, 15).getTimezoneOffset();
    const letters = new Intl.Collator(); const city = process.env.TZ ?? ''; const since = Math.floor(Date.now() / 1000); const chance = Math.random();
    export const hourOf = (us) => Math.floor(us / 3600000000 - offset / 60) % 24;
    export const before = (a, b) => letters.compare(a, b);
    export const place = () => city.length; export const age = (us) => since - Math.floor(us / 1000000); export const lot = () => chance;
    export const format = (n) => numbers.format(n); const numbers = new Intl.NumberFormat();
    export const fine = (n) => n + 1;
    export const window = () => city === 'Pacific/Chatham' ? '1d' : '2d';`;
  const rows = [
    'hourOf(e.at)',
    'before(e.id, "ı")',
    'place()',
    'age(e.at)',
    'lot()',
    'format(1234.5).length + format(e.n).charCodeAt(1)',
    'fine(e.n)',
  ];
  const faults = await faultsOf({
    'index.ts': `import * as machine from 'machine';\nimport { hourOf, before, place, age, lot, format, fine } from 'machine';\n${head}${rows.map((row, index) => view(row, `v${index}`)).join('')}
      export const w = featureView('w', { entity: thing, source: events, features: (f) => ({ x: f.count().over(machine.window()) }) });`,
    ...pack('machine', code),
  });
  const told = briefly(faults);
  for (const index of [0, 2, 3, 4, 5])
    expect(
      told.filter((line) =>
        line.startsWith(`feature view v${index}, features.x impure-function: the row function is impure: it gives `),
      ),
    ).toHaveLength(1);
  expect(
    told.filter((line) =>
      line.startsWith('feature view w,  impure-definition: says something else in another time zone'),
    ),
  ).toHaveLength(1);
  expect(told.filter((line) => line.startsWith('feature view v6'))).toEqual([]);
  expect(told[0]).toMatch(
    /here and .* in another time zone \(.*\), locale \(.*\) and environment, at another time, on the valid row \{/,
  );
});

test('code that no sampled row reaches is refused by name, with its line', async () => {
  const rare = (use: string): string => `e.n === 123457 ? ${use} : 0`;
  const rows = [
    ['Date.now()', 'Date.now()'],
    ['new Date().getUTCHours()', 'new Date()'],
    ['new Date(2001, e.n).getTime()', 'new Date(year, month, ...), which is local time,'],
    ['Math.random()', 'Math.random()'],
    ['Number(process.env.FEE)', 'process.env.FEE'],
    ['new Date(e.at / 1000).getHours()', 'Date.prototype.getHours()'],
    ['e.id.localeCompare("x")', 'localeCompare() without a locale'],
    ['e.id.toLocaleLowerCase().length', 'toLocaleLowerCase() without a locale'],
    ['new Intl.DateTimeFormat("en").format(0).length', 'Intl.DateTimeFormat() without a time zone'],
    ['statSync(e.id).size', 'fs.statSync'],
    ['uuid.randomUUID().length', 'crypto.randomUUID()'],
    ['import.meta.url.length', 'import.meta'],
    ['globalThis.performance.now()', 'performance.now()'],
    ['eval("1")', 'eval()'],
    ['Number(import(e.id) instanceof Promise)', 'import() of a name that is computed'],
  ] as const;
  const faults = await faultsOf({
    'index.ts': `import { statSync } from 'node:fs'; import uuid from 'node:crypto';\n${head}${rows.map(([use], index) => view(rare(use), `v${index}`)).join('')}`,
  });
  expect(briefly(faults).toSorted()).toEqual(
    rows
      .map(
        ([, label], index) =>
          `feature view v${index},  impure-code: its code uses ${label} (index.ts, line ${index + 6})`,
      )
      .toSorted(),
  );
});

test('names of the user are not those of the machine', async () => {
  const files = {
    'index.ts': `${head.replaceAll('thing', 'process').replace('const process', 'export const process')}
      class Day { constructor(readonly_) { this.us = readonly_; } getDay() { return this.us; } }
      const fetch = (x) => x;
      const calendar = { getHours: (x) => x };
      ${view('fetch(e.n) + new Day(e.n).getDay() + calendar.getHours(e.n) + (process.name.length)').replace('thing', 'process')}`,
  };
  expect(briefly(await faultsOf(files))).toEqual([]);
});

test('a definition that cannot be imported elsewhere is refused', async () => {
  const faults = await faultsOf({
    'index.ts': `import { key } from 'configured';\n${head}${view('e.n + key')}`,
    ...pack(
      'configured',
      `if (process.env.PATH === undefined) throw new Error('PATH is required'); export const key = 1;`,
    ),
  });
  expect(briefly(faults)).toEqual([
    expect.stringMatching(
      /^file index\.ts, {2}impure-definition: cannot be imported in another time zone .*: .*PATH is required/,
    ),
  ]);
});

test('every file that cannot be imported is told, at once', async () => {
  const folder = writeProject({
    'a.ts': 'const = 3;',
    'b.ts': `${head}${view('e.n')}`,
    'c.ts': `throw new Error('no luck');`,
  });
  await expect(loadDefinitions(folder)).rejects.toMatchObject({
    code: 'definition-unreadable',
    message: expect.stringMatching(/a\.ts.*\nc\.ts:1: no luck/),
  });
  await expect(loadDefinitions(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'definitions-not-found' });
});
