import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lawRuns } from '../laws/law-seed.ts';
import { codeOf, writeProject } from './code-of.ts';

/** What every program begins with. */
const base = [
  'import { shared } from "./shared.ts";',
  'let n = 1;',
  'const list = [3, 1];',
  'const table = new Map([["a", 1]]);',
  'function twice(x) { return x * 2 + n; }',
  'function bump(x) { n += x; return n; }',
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
  'import "./effect.ts";',
  'shared.push(n);',
  'globalThis.lawSetting = 4;',
];

const uses = [
  'n',
  'list.length',
  'list.join()',
  'copy.length',
  'table.size',
  'frozen.a',
  'twice(1)',
  'made.of(1)',
  'doubled',
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

const others = {
  'effect.ts': 'globalThis.lawShared = [1, ...(globalThis.lawShared ?? [])];',
  'shared.ts': 'export const shared: number[] = []; globalThis.lawShared = shared;',
};

const { importNatively } = createRequire(import.meta.url)(
  '../../engine/define/import-natively.ts',
) as typeof import('../../engine/define/import-natively.ts');

/** What the view gives, as text; null where the module cannot be imported, so that nobody ever has its values. */
async function valueOf(file: string): Promise<string | null> {
  Reflect.deleteProperty(globalThis, 'lawShared');
  Reflect.deleteProperty(globalThis, 'lawSetting');
  const module = await importNatively(pathToFileURL(file).href).catch(() => null);
  return module && JSON.stringify((module['view'] as () => unknown)());
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
        const code = await codeOf(files).catch(() => null);
        const value = await valueOf(join(writeProject(files), 'index.ts'));
        if (code === null || value === null) {
          // A name declared twice: no program at all, to either.
          expect([program, code === null ? value : null]).toEqual([program, null]);
          continue;
        }
        const equal = known.get(code.text);
        if (equal === undefined) known.set(code.text, [value, program]);
        else {
          equalPairs += 1;
          expect({ value, ofTheSameCode: [equal[1], program] }).toEqual({
            value: equal[0],
            ofTheSameCode: [equal[1], program],
          });
        }
      }
    }),
    lawRuns(60),
  );
  // Were no two programs ever the same code, the law would say nothing.
  expect(equalPairs).toBeGreaterThan(10);
});
