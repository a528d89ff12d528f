import { expect, test } from 'vitest';
import { z } from 'zod';
import { readBundleCode } from '../../engine/bundles/bundle-code.ts';
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { openBundle } from '../../engine/bundles/open-bundle.ts';
import type { ViewBundle } from '../../engine/bundles/view-bundle.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { writeProject } from '../define/code-of.ts';

const head = `import { z } from 'zod'; import { entity, featureView, source } from 'millrace';
const thing = entity('thing', { id: z.string() });
const events = source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() }), eventTime: 'at', topic: 'events' });\n`;

function file(row: string, before = ''): string {
  return `${before}\n${head}export const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.sum((e) => ${row}) }) });`;
}

async function viewOf(files: Readonly<Record<string, string>>): Promise<CompiledView> {
  return (await compileDefinitions(await importDefinitions(writeProject(files)))).views.get('v')!;
}

async function bundleOf(files: Readonly<Record<string, string>>): Promise<ViewBundle> {
  return makeBundle(await viewOf(files));
}

function packaged(text: string, name = 'tool'): Record<string, string> {
  return {
    [`../node_modules/${name}/package.json`]: `{ "name": "${name}", "version": "1.0.0", "main": "index.js" }`,
    [`../node_modules/${name}/index.js`]: text,
  };
}

function inputOf(view: CompiledView, n: number): unknown {
  const out = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
  const event = { row: { at: 0, id: 'a', n }, eventTimeUs: 0, id: null, partition: 0, offset: 0, number: 0 };
  const outcome = view.prepare(event, out);
  return outcome === 'ok' ? out.inputs[0] : outcome;
}

test('a bundle holds what counts for its view, as it is written, and no other files', async () => {
  const bundle = await bundleOf({
    'index.ts': `export * from './v.ts'; export * from './other.ts';`,
    'v.ts': file('twice(e.n)', `import { twice } from '../lib/twice.ts';`),
    'other.ts': `import { z } from 'zod'; import { entity } from 'millrace'; export const other = entity('other', { id: z.string() });`,
    '../lib/twice.ts': '// of the team\nexport const twice = (x: number): number => x * 2;',
  });
  expect(bundle.modules.map(({ path }) => path)).toEqual(['features/v.ts', 'lib/twice.ts']);
  expect(bundle.modules[1]?.text).toBe('// of the team\nexport const twice = (x: number): number => x * 2;');
  expect(bundle.entry).toEqual({ path: 'features/v.ts', exportName: 'view' });
  expect(bundle.packages).toEqual({ names: [], counted: null, runnable: '', imports: [] });
});

test('a module that changes something for all is in it, wherever it stands', async () => {
  const files = {
    'a.ts': 'globalThis.bundleSetting = 40;',
    'b.ts': file('e.n + (globalThis.bundleSetting ?? 0)'),
    'c.ts': 'export const nothing = 1;',
  };
  const view = await viewOf(files);
  const bundle = await makeBundle(view);
  expect(bundle.modules.map(({ path }) => path)).toEqual(['a.ts', 'b.ts']);
  // It has no definitions, and counts all the same.
  const other = await viewOf({ ...files, 'a.ts': 'globalThis.bundleSetting = 41;' });
  expect(other.fingerprint).not.toBe(view.fingerprint);
  Reflect.deleteProperty(globalThis, 'bundleSetting');
  expect(inputOf(await openBundle(bundle, '/'), 2)).toBe(42);
});

test('modules that import each other in a circle are evaluated as in their folder', async () => {
  const view = await viewOf({
    'index.ts': `export { view } from './v.ts';`,
    'v.ts': file('order.indexOf("b") * 10 + e.n', `import { order } from './order.ts'; import './b.ts';`),
    'order.ts': `export const order: string[] = [];`,
    'a.ts': `import './b.ts'; import { order } from './order.ts'; order.push('a');`,
    'b.ts': `import './a.ts'; import { order } from './order.ts'; order.push('b');`,
  });
  const bundle = await makeBundle(view);
  expect((await readBundleCode(bundle)).text).toBe(view.carried?.code.text);
  expect(inputOf(await openBundle(bundle, '/'), 1)).toBe(inputOf(view, 1));
});

test('files of CommonJS and packages are Node’s, as in the folder', async () => {
  const files = {
    ...packaged(
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 5; exports.two = 2; exports.join = require('path').join;`,
    ),
    'own.js': `module.exports = { seven: 7 };`,
    'index.ts': file(
      'own.seven + two + Object.keys(tool).length + join("a", "b").length + e.n',
      `import own from './own.js'; import tool, { join, two } from 'tool';`,
    ),
  };
  const view = await viewOf(files);
  const opened = await openBundle(await makeBundle(view), '/');
  expect(inputOf(opened, 1)).toBe(inputOf(view, 1));
  expect(inputOf(opened, 1)).toBe(16);
});

test.each([
  [
    'a native addon',
    packaged(`try { require('./x.node') } catch {}; exports.two = 2`),
    { '../node_modules/tool/x.node': 'ELF' },
    'x.node',
  ],
  [
    'a package that reads a file of its own',
    packaged(`exports.two = require('fs').readFileSync(__dirname + '/two.txt', 'utf8').length`),
    { '../node_modules/tool/two.txt': '2' },
    '__dirname',
  ],
  [
    'a package that asks for what no text names',
    packaged(`const name = ['./o', 'ther.js'].join(''); exports.two = require(name).two`),
    { '../node_modules/tool/other.js': 'exports.two = 2' },
    './other.js',
  ],
])('%s is refused by name', async (_, tool, more, message) => {
  const files = { ...tool, ...more, 'index.ts': file('two + e.n', `import { two } from 'tool';`) };
  await expect(bundleOf(files)).rejects.toMatchObject({
    code: 'bundle-incomplete',
    message: expect.stringContaining(message),
  });
});

test('a view made in memory has no bundle', async () => {
  const events = source('events', {
    schema: z.object({ at: z.iso.datetime(), id: z.string() }),
    eventTime: 'at',
    topic: 'events',
  });
  const view = featureView('v', {
    entity: entity('thing', { id: z.string() }),
    source: events,
    features: (f) => ({ n: f.count() }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/'));
  await expect(makeBundle(views.get('v')!)).rejects.toMatchObject({
    code: 'bundle-incomplete',
    message: expect.stringContaining('made in memory'),
  });
});

test('more code than a bundle may hold is refused before anything is done', async () => {
  const table = `/* ${'x'.repeat(2 ** 20)} */ export const table = 1;`;
  await expect(
    bundleOf({ 'index.ts': file('table + e.n', `import { table } from './table.ts';`), 'table.ts': table }),
  ).rejects.toMatchObject({ code: 'bundle-too-large', details: { most: 2 ** 20 } });
  const large = packaged(`exports.two = '${'y'.repeat(2 ** 21)}'.length`);
  await expect(
    bundleOf({ ...large, 'index.ts': file('two + e.n', `import { two } from 'tool';`) }),
  ).rejects.toMatchObject({ code: 'bundle-too-large', details: { most: 2 ** 21 } });
});
