import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import * as entry from '../../engine/define/definition-entry.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import * as millrace from '../../index.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-load-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;

function folderOf(files: Readonly<Record<string, string>>): string {
  folders += 1;
  const folder = join(root, `project-${folders}`, 'features');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const head = `import { decimal, entity, featureService, featureView, source } from 'millrace';\nimport { z } from 'zod';\n`;
const view = (name: string, factor = '2'): string => `${head}
  import { twice } from './lib/twice.ts';
  export const ${name}_source = source('${name}_source', { schema: z.object({ at: z.iso.datetime(), id: z.string(), price: decimal(5, 2) }),
    eventTime: 'at', history: { path: 'data/${name}/*.csv' } });
  export const ${name} = featureView('${name}', { entity: entity('${name}_thing', { id: z.string() }), source: ${name}_source,
    features: (f) => ({ x: f.sum((e) => twice(Number(e.price) * ${factor})) }) });
  export const unrelated = { kind: 'other' };
`;
const lib = { 'lib/twice.ts': 'export const twice = (x: number): number => x * 2;' };

test('the definitions of this repository load', async () => {
  const definitions = await loadDefinitions('features');
  expect([...definitions.views.keys()].toSorted()).toEqual(['airport_traffic', 'route_delays']);
  expect(definitions.services.get('delay_model')?.blocks.map(({ name, columns }) => [name, columns])).toEqual([
    ['route_delays', ['origin', 'destination']],
    ['from', ['origin']],
    ['to', ['destination']],
  ]);
  expect(definitions.sources.get('flights')?.history?.path).toBe(join(process.cwd(), 'data/flights/*.parquet'));
});

test('without an index every file counts; history is relative to the folder that holds the folder', async () => {
  const folder = folderOf({
    ...lib,
    'a.ts': view('a'),
    'b.ts': view('b'),
    'notes.md': '#',
    'types.d.ts': 'export {};',
  });
  const definitions = await loadDefinitions(folder);
  expect([...definitions.views.keys()]).toEqual(['a', 'b']);
  expect(definitions.sources.get('a_source')?.history?.path).toBe(join(dirname(folder), 'data/a/*.csv'));
  expect(definitions.folder).toBe(folder);
});

test('with an index only what it exports counts', async () => {
  const folder = folderOf({ ...lib, 'index.ts': `export { a } from './a.ts';`, 'a.ts': view('a'), 'b.ts': view('b') });
  expect([...(await loadDefinitions(folder)).views.keys()]).toEqual(['a']);
});

test('loading again reads changed files anew, imported ones too', async () => {
  const folder = folderOf({ ...lib, 'a.ts': view('a') });
  const first = (await loadDefinitions(folder)).views.get('a')!;
  writeFileSync(join(folder, 'lib/twice.ts'), 'export const twice = (x: number): number => x * 3;');
  const second = (await loadDefinitions(folder)).views.get('a')!;
  expect(second.fingerprint).not.toBe(first.fingerprint);
  const input = (compiled: typeof first): unknown => {
    const out = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
    compiled.prepare(
      { row: { at: 1, id: 'x', price: '1.00' }, eventTimeUs: 1, id: null, partition: 0, offset: 0, number: 0 },
      out,
    );
    return out.inputs;
  };
  expect([input(first), input(second)]).toEqual([[4], [6]]);
});

const broken: readonly (readonly [string, Readonly<Record<string, string>>, string, RegExp])[] = [
  [
    'a syntax error',
    { 'index.ts': `export * from './bad.ts';`, 'bad.ts': 'export const = 3;' },
    'definition-unreadable',
    /bad\.ts/,
  ],
  ['a throw at import', { 'a.ts': `throw new Error('no luck');` }, 'definition-unreadable', /a\.ts:1: no luck/],
  ['a missing import', { 'a.ts': `import './gone.ts';` }, 'definition-unreadable', /gone\.ts/],
  [
    'a wrong import',
    { 'a.ts': `import { nothing } from 'millrace'; nothing();` },
    'definition-unreadable',
    /a\.ts.*nothing/,
  ],
  ['no definitions', { 'a.ts': 'export const x = 1;' }, 'definitions-not-found', /no definitions in/],
  ['no files', { 'notes.md': '#' }, 'definitions-not-found', /has no \*\.ts files/],
  ['faulty definitions', { ...lib, 'a.ts': view('a', 'Math.random()') }, 'invalid-definitions', /Math\.random\(\)/],
];

test.each(broken)('%s is told by name', async (_, files, code, message) => {
  await expect(loadDefinitions(folderOf(files))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(/./),
  });
});

test('a folder that is not there is told by its path', async () => {
  const missing = join(root, 'nowhere');
  await expect(loadDefinitions(missing)).rejects.toMatchObject({
    code: 'definitions-not-found',
    message: `${missing}: is not a folder`,
  });
});

test('history is described through the folder', async () => {
  const asked: string[] = [];
  const folder = folderOf({ ...lib, 'a.ts': view('a') });
  const loading = loadDefinitions(folder, {
    inspectHistory: async ({ history }) => {
      asked.push(history?.path ?? '');
      return {
        faults: [{ code: 'history-not-found', message: 'matches no file', remedy: 'r', field: null }],
        sample: null,
      };
    },
  });
  await expect(loading).rejects.toMatchObject({ message: expect.stringContaining('matches no file') });
  expect(asked).toEqual([join(dirname(folder), 'data/a/*.csv')]);
});

test('definitions load with all that is there to define with, and without what reads and serves', () => {
  const others = new Set(['createClient', 'createDecisionLog', 'createServingLog', 'isMillraceError']);
  expect(Object.keys(entry).sort()).toEqual(
    Object.keys(millrace)
      .filter((name) => !others.has(name))
      .sort(),
  );
});

test('a file of definitions may use all of millrace', async () => {
  const client = `import { createClient } from 'millrace';\nexport const client = () => createClient({ databaseUrl: 'postgres://nowhere' });\n`;
  const folder = folderOf({ ...lib, 'a.ts': `${client}${view('a')}` });
  expect([...(await loadDefinitions(folder)).views.keys()]).toEqual(['a']);
});
