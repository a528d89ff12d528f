import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBundleCode, sameVersion } from '../../engine/bundles/bundle-code.ts';
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { openBundle } from '../../engine/bundles/open-bundle.ts';
import { bundleText, parseBundle } from '../../engine/bundles/view-bundle.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { writeProject } from '../define/code-of.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { outcomesOf } from './outcomes.ts';

const packages = {
  '../node_modules/counting/package.json': '{ "name": "counting", "version": "1.2.0", "main": "index.js" }',
  '../node_modules/counting/index.js': `const { createHash } = require('crypto');
    Object.defineProperty(exports, '__esModule', { value: true });
    exports.default = { plus: 3 };
    exports.digits = (text) => parseInt(createHash('sha256').update(text).digest('hex').slice(0, 4), 16);`,
  '../node_modules/@geo/hash/package.json':
    '{ "name": "@geo/hash", "version": "2.0.0", "type": "module", "sideEffects": false, "exports": { ".": "./a.js", "./deep": "./deep.js" } }',
  '../node_modules/@geo/hash/a.js': `import { half } from './deep.js'; export const name = 'hash'; export { half };
    export default function cell(x) { return 'c' + half(x); }`,
  '../node_modules/@geo/hash/deep.js': 'export const half = (x) => Math.floor(x / 2);',
};

const imports = [
  `import { fee } from './lib/fees.ts';`,
  `import * as fees from './lib/fees.ts';`,
  `import table from './lib/table.json' with { type: 'json' };`,
  `import old from './lib/old.js';`,
  `import counting, { digits } from 'counting';`,
  `import cell, { half as halved } from '@geo/hash';`,
  `import * as hash from '@geo/hash';`,
  `export { name as hashName } from '@geo/hash';`,
  `import { half } from '@geo/hash/deep';`,
  `import './effect.ts';`,
  `import { seen } from './circle.ts';`,
];

/** What a feature may be of, with what it must have imported. */
const inputs = [
  ['f.count().over("1d")', []],
  ['f.sum("amount").over("7d")', []],
  ['f.max((e) => (e.delay ?? 0) * scale).over("1h", { hop: "10s" })', []],
  ['f.last((e) => `${e.origin}-${shift(e.delay ?? 1)}`, { type: z.string() })', []],
  ['f.sum((e) => fee(e.delay ?? 0))', [0]],
  ['f.avg((e) => fees.fee(e.delay ?? 0) + fees.flat)', [1]],
  ['f.sum((e) => table.rates[0] * (e.delay ?? 0))', [2]],
  ['f.sum((e) => old.twice(e.delay ?? 0))', [3]],
  ['f.sum((e) => digits(e.origin) + Object.keys(counting).length)', [4]],
  ['f.first((e) => cell(e.delay ?? 0) + halved(9), { type: z.string() })', [5]],
  ['f.max((e) => hash.half(e.delay ?? 0))', [6]],
  ['f.sum((e) => half(e.delay ?? 4))', [8]],
  ['f.sum((e) => (globalThis.lawBundle ?? 0) + (e.delay ?? 0))', [9]],
  ['f.sum((e) => seen() + (e.delay ?? 0))', [10]],
] as const;

const fields = [
  'delay: z.int().min(-5).max(900).multipleOf(5).nullable()',
  'delay: z.number().multipleOf(0.5).optional()',
  'delay: z.uint32().nullish()',
];
const others = [
  'mail: z.email().nullable()',
  'tags: z.array(z.string().min(2)).max(2).nullable()',
  'at_date: z.iso.date().nullable()',
  'kind: z.enum(["a", "b"])',
  'inner: z.object({ a: z.int64().gte(-3n).nullable() })',
];

/** The same definition, written in three ways. */
const writings: readonly ((body: string) => string)[] = [
  (body) => body,
  (body) => `// of the team\n${body.replaceAll(';', ' ;\n')}`,
  (body) => body.replace('const scale = 3;', 'const scale: number = (3);').replace('=> x + 1', '=> { return x + 1; }'),
];

interface Program {
  readonly files: Readonly<Record<string, string>>;
  /** Written otherwise. */
  readonly again: Readonly<Record<string, string>>;
}

const programs: fc.Arbitrary<Program> = fc
  .record({
    chosen: fc.uniqueArray(fc.nat(inputs.length - 1), { minLength: 1, maxLength: 5 }),
    more: fc.uniqueArray(fc.nat(imports.length - 1), { maxLength: 3 }),
    field: fc.constantFrom(...fields),
    other: fc.constantFrom(...others),
    where: fc.boolean(),
    split: fc.boolean(),
    writing: fc.constantFrom(...writings),
  })
  .map(({ chosen, more, field, other, where, split, writing }) => {
    const needed = new Set([...more, ...chosen.flatMap((index) => inputs[index]![1])]);
    const features = chosen.map((index, at) => `f${at}: ${inputs[index]![0]}`).join(', ');
    const body = `import { z } from 'zod'; import { decimal, entity, featureView, source } from 'millrace';
${[...needed]
  .sort((a, b) => a - b)
  .map((index) => imports[index])
  .join('\n')}
const scale = 3;
const shift = (x: number) => x + 1;
const place = entity('place', { origin: z.string() });
const trips = source('trips', { schema: z.object({ id: z.string(), at: z.iso.datetime({ offset: true }), origin: z.string().length(3),
  amount: decimal(8, 2), ${field}, ${other} }), eventTime: 'at', eventId: 'id', topic: 'trips', history: { path: 'logs/*.parquet' } });
export const view = featureView('trip_view', { entity: place, source: trips,${where ? ' where: (e) => e.origin !== "NOT",' : ''}
  features: (f) => ({ ${features} }) });`;
    const shared = {
      ...packages,
      'lib/fees.ts': 'export const flat: number = 2; export function fee(x: number) { return x > 1 ? x * flat : 0; }',
      'lib/table.json': '{ "rates": [7] }',
      'lib/old.js': 'module.exports = { twice: (x) => x * 2 };',
      'effect.ts': 'globalThis.lawBundle = 5;',
      'circle.ts': `import { back } from './back.ts'; let n = 1; export const seen = () => n + back(); export const one = () => 1;`,
      'back.ts': `import { one } from './circle.ts'; export const back = () => one();`,
    };
    const unrelated = `import { z } from 'zod'; import { entity } from 'millrace'; export const lonely = entity('lonely', { id: z.string() });`;
    const laidOut = (text: string, beside: string): Record<string, string> =>
      split
        ? {
            'index.ts': `export * from './views/trips.ts'; ${beside}`,
            'views/trips.ts': text.replaceAll(`'./`, `'../`),
          }
        : { 'trips.ts': text };
    return {
      files: { ...shared, ...laidOut(body, unrelated) },
      again: { ...shared, ...laidOut(writing(body), '') },
    };
  });

async function viewOf(files: Readonly<Record<string, string>>): Promise<CompiledView> {
  const { views } = await compileDefinitions(await importDefinitions(writeProject(files)));
  return views.get('trip_view')!;
}

test('what comes out of a bundle is what went in: values, fingerprint, canonical text', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(programs, fc.nat(), async ({ files, again }, seed) => {
      const view = await viewOf(files).catch((cause: unknown) => {
        // A row function over what the probe refuses: no definition, so no bundle.
        if (isMillraceError(cause) && cause.code === 'invalid-definitions') return null;
        throw cause;
      });
      if (view === null) return;
      const text = bundleText(await makeBundle(view));
      const bundle = parseBundle(text);
      expect((await readBundleCode(bundle)).text).toBe(view.carried!.code.text);
      const opened = await openBundle(bundle, view.carried!.baseFolder);
      expect(opened).toMatchObject({
        fingerprint: view.fingerprint,
        layout: view.layout,
        featureInputs: view.featureInputs,
      });
      expect(JSON.stringify(opened.source)).toBe(JSON.stringify(view.source));
      const outcomes = outcomesOf(opened, seed);
      expect(outcomes).toEqual(outcomesOf(view, seed));
      compared += outcomes.length;
      const rewritten = await viewOf(again);
      expect(rewritten.fingerprint).toBe(view.fingerprint);
      expect(await sameVersion({ ...rewritten, fingerprint: 'of another bundler' }, bundle)).toBe(true);
      expect(bundleText(await makeBundle(view))).toBe(text);
    }),
    lawRuns(40),
  );
  expect(compared).toBeGreaterThan(500);
});
