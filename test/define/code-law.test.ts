import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rememberGlobals } from '../../engine/purity/remember-globals.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { codeOf, writeProject } from './code-of.ts';

/** What every program begins with. */
const base = [
  'import { shared } from "./shared.ts"; import * as stateful from "stateful";',
  'let n = 1;',
  'const list = [3, 1];',
  'const table = new Map([["a", 1]]);',
  'function twice(x) { return x * 2 + n; }',
  'function bump(x) { n += x; return n; }',
  'function apply(f, x) { return f(x); }',
  'function through(x) { return twice(x) + 1; }',
  'function make(x) { const y = x + 1; return { y, of: (z) => z + y }; }',
];

/** What a module of definitions may do at its top, in ways that matter to one another. */
const statements = [
  'n = 2;',
  'n++;',
  'list.push(n);',
  'const grown = list.push(7);',
  'const first = list.map((x) => x + n)[0];',
  'const copy = [...list];',
  'const sorted = list.sort();',
  'const seen = list.map((x) => bump(x));',
  'table.set("b", 5);',
  'const held = table.set("c", 6);',
  'const frozen = Object.freeze({ a: n });',
  'const bumped = bump(1);',
  'const applied = apply(bump, 2);',
  'const halved = apply((x) => x / 2, 2);',
  'const passed = through(n);',
  'const wrapped = ((f) => () => f(1))(bump); const unwrapped = wrapped();',
  'const every = [1, 2].map(bump);',
  'const doubled = twice(4);',
  'const made = make(3);',
  'const lazy = { get next() { return n++; } }, asked = lazy.next;',
  'const text = `${{ toString: () => String(n++) }}`;',
  'class Counter { static count = n; step = 1; }',
  'class Loud { static { n += 10; } }',
  'const { a: picked = n } = { a: undefined };',
  'const [one] = list;',
  'const dropped = delete list[0];',
  'for (const x of list) n += x;',
  'if (n > 2) list.push(1);',
  'const spread = Math.max(...list);',
  'const unused = "nothing";',
  'function spare(x) { return x; }',
  'const other = { list, more: [1, 2] };',
  'stateful.add(1);',
  'const added = stateful.add(n);',
  'const given = stateful.add(list);',
  'const run = stateful.run(() => list);',
  'const ran = stateful.run((x) => [x]);',
  'const counter = stateful.counter(); const counted = counter.next();',
  'import { patched } from "patching";',
  'import "./effect.ts";',
  'shared.push(n);',
  'globalThis.lawSetting = 4;',
];

const uses = [
  'stateful.count()',
  'counter.next()',
  '[].patch',
  'n',
  'list.length',
  'list.join()',
  'copy.length',
  'table.size',
  'frozen.a',
  'twice(1)',
  'made.of(1)',
  'doubled',
  'passed',
  'halved',
  'first',
  'asked',
  'text.length',
  'Counter.count',
  'picked',
  'one',
  'spread',
  'globalThis.lawShared?.length',
  'globalThis.lawSetting',
];

/** Packages that keep something for themselves, change what they are given, or change what all share. */
const packages = {
  '../node_modules/stateful/package.json': '{ "name": "stateful", "version": "1.0.0", "main": "index.js" }',
  '../node_modules/stateful/index.js': `const kept = []; let calls = 0;
    exports.add = (x) => { kept.push(x); if (Array.isArray(x)) x.push(99); return kept.length; };
    exports.run = (f) => { const x = f(1); x.push(98); return x.length; };
    exports.count = () => kept.length;
    exports.counter = () => ({ next: () => { calls += 1; return calls; } });`,
  '../node_modules/patching/package.json': '{ "name": "patching", "version": "1.0.0", "main": "index.js" }',
  '../node_modules/patching/index.js': 'Array.prototype.patch = (Array.prototype.patch ?? 0) + 1; exports.patched = 1;',
};

const others = {
  ...packages,
  'effect.ts': 'globalThis.lawShared = [1, ...(globalThis.lawShared ?? [])];',
  'shared.ts': 'export const shared: number[] = []; globalThis.lawShared = shared;',
};

const { importNatively } = createRequire(import.meta.url)(
  '../../engine/define/import-natively.ts',
) as typeof import('../../engine/define/import-natively.ts');

/** What the view gives, as text; null where the module cannot be imported, so that nobody ever has its values. */
async function valueOf(file: string): Promise<{ readonly text: string | null; readonly globalsChanged: boolean }> {
  Reflect.deleteProperty(globalThis, 'lawShared');
  Reflect.deleteProperty(globalThis, 'lawSetting');
  Reflect.deleteProperty(Array.prototype, 'patch');
  const globals = rememberGlobals();
  const module = await importNatively(pathToFileURL(file).href).catch(() => null);
  const globalsChanged = globals.changed();
  const text = module && JSON.stringify((module['view'] as () => unknown)());
  Reflect.deleteProperty(Array.prototype, 'patch');
  return { text, globalsChanged };
}

/** A program, and what becomes of it when a statement goes, two change places, or one comes in. */
const families = fc
  .record({
    chosen: fc.uniqueArray(fc.nat(statements.length - 1), { minLength: 3, maxLength: 10 }),
    uses: fc.tuple(fc.constantFrom(...uses), fc.constantFrom(...uses)),
    gone: fc.nat(),
    swapped: fc.nat(),
    added: fc.constantFrom(...statements),
    at: fc.nat(),
  })
  .map(({ chosen, uses: asked, gone, swapped, added, at }) => {
    const body = chosen.toSorted((a, b) => a - b).map((index) => statements[index] as string);
    const first = swapped % (body.length - 1);
    const tried = asked.map((each) => `(() => { try { return ${each}; } catch { return 'none'; } })()`);
    return [
      body,
      body.toSpliced(gone % body.length, 1),
      body.toSpliced(first, 2, ...body.slice(first, first + 2).toReversed()),
      body.includes(added) ? body : body.toSpliced(at % body.length, 0, added),
    ].map((lines) => [...base, ...lines, `export const view = () => [${tried.join(', ')}];`].join('\n'));
  });

test('programs of equal code give equal values: whatever is left out of a fingerprint changes none', async () => {
  let equalPairs = 0;
  await fc.assert(
    fc.asyncProperty(families, async (family) => {
      const known = new Map<string, readonly [value: string, program: string]>();
      for (const program of new Set(family)) {
        const files = { ...others, 'index.ts': program };
        const { text: value, globalsChanged } = await valueOf(join(writeProject(files), 'index.ts'));
        const code = await codeOf(files, 'view', globalsChanged).catch(() => null);
        if (code === null || value === null) {
          // A name declared twice: no program at all, to either.
          expect([program, code === null ? value : null]).toEqual([program, null]);
          continue;
        }
        const key = [code.text, code.packages.text, ...code.packages.packages].join('\n');
        const equal = known.get(key);
        if (equal === undefined) known.set(key, [value, program]);
        else {
          equalPairs += 1;
          expect({ value, ofTheSameCode: [equal[1], program] }).toEqual({
            value: equal[0],
            ofTheSameCode: [equal[1], program],
          });
        }
      }
    }),
    lawRuns(40),
  );
  // Were no two programs ever the same code, the law would say nothing.
  expect(equalPairs).toBeGreaterThan(10);
});
