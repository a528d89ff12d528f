import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readModuleGraph } from '../../engine/code/module-graph.ts';
import { exportCodeReader } from '../../engine/code/view-code.ts';
import { codeOf, writeProject } from './code-of.ts';

const head = `import { entity, featureView, source } from 'millrace'; import { z } from 'zod';\n`;
const things = `const thing = entity('thing', { id: z.string() });
const events = source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() }), eventTime: 'at', topic: 'events' });\n`;

/** A file with one view; `before` stands at its top, `row` is a row function's body. */
function viewOf(row: string, before = '', options = ''): string {
  return `${head}${before}\n${things}export const view = featureView('v', { entity: thing, source: events, ${options} features: (f) => ({ x: f.sum((e) => ${row}).over('7d') }) });`;
}

async function textOf(file: string, others: Readonly<Record<string, string>> = {}): Promise<string> {
  return (await codeOf({ ...others, 'index.ts': file })).text;
}

const base = viewOf('e.n * 1000 + fee(e.id)', `const fee = (x: string) => x === 'a' ? 1 : limit; const limit = 10;`);

const same: readonly (readonly [string, string])[] = [
  ['comments', base.replace('const limit', '/* a limit */ const limit // of old\n')],
  ['claims of purity', base.replace('(x: string) =>', '/* @__PURE__ */ (x: string) =>')],
  ['formatting', base.replaceAll(', ', ' ,\n   ').replace('e.n * 1000', 'e . n*1000')],
  ['quotes', base.replaceAll("'", '"')],
  ['template quotes', base.replace("'a'", '`a`')],
  ['digits of a number', base.replace('1000', '1e3')],
  ['another base of a number', base.replace('1000', '0x3e8')],
  ['separators of a number', base.replace('1000', '1_000')],
  ['parentheses', base.replace('e.n * 1000', '((e.n) * (1000))')],
  ['needless semicolons', base.replace('const limit = 10;', 'const limit = 10;;')],
  ['types', base.replace('const limit = 10', 'const limit: number = 10 as number satisfies number')],
  ['an interface', base.replace('const limit', 'interface Fee { x: string }\nconst limit')],
  ['a member in brackets', base.replace('e.n', "e['n']")],
  ['a block that returns', base.replace('(e) => e.n * 1000 + fee(e.id)', '(e) => { return e.n * 1000 + fee(e.id); }')],
  ['the order of options', base.replace('entity: thing, source: events,', 'source: events, entity: thing,')],
  ['a quoted option', base.replace('entity: thing', "'entity': thing")],
  ['refresh', base.replace('entity: thing', `refresh: '6h', entity: thing`)],
  [
    'refresh by name',
    base
      .replace('const limit', `const every = '6h'; const limit`)
      .replace('entity: thing', 'refresh: every, entity: thing'),
  ],
  ['when entities expire, which the layout says', base.replace('entity: thing', `expire: '6h', entity: thing`)],
  ['the invalid limit', base.replace(`topic: 'events'`, `topic: 'events', invalidLimit: { rate: 0.5, window: 20 }`)],
  ['sensitive fields', base.replace(`topic: 'events'`, `topic: 'events', sensitive: ['id']`)],
  ['segments', base.replace(`topic: 'events'`, `topic: 'events', segments: [{ name: 'x', of: () => 'y' }]`)],
  ['segments of a view', base.replace('entity: thing', `segments: ['id'], entity: thing`)],
  ['archived headers', base.replace(`topic: 'events'`, `topic: 'events', headers: ['trace']`)],
  [
    'another view',
    `${base}\nexport const other = featureView('o', { entity: thing, source: events, features: (f) => ({ y: f.count() }) });`,
  ],
  [
    'another view of the same name inside',
    `${base}\nconst e = 3; export const other = featureView('o', { entity: thing, source: events, features: (f) => ({ y: f.sum(() => e) }) });`,
  ],
  [
    'a service',
    `${base}\nimport { featureService } from 'millrace'; export const service = featureService('s', [view], { servingLog: 0.5 });`,
  ],
  ['an unused constant', base.replace('const limit', 'export const spare = Math.max(1, 2); const limit')],
  ['an unused function', base.replace('const limit', 'function spare(x: number) { return x + 1; } const limit')],
  ['an unused class', base.replace('const limit', 'class Spare { x = 1; } const limit')],
  ['unused imports of ours', base.replace('{ entity,', '{ decimal, entity,')],
  ['an unused import of Node', `import { readFileSync } from 'node:fs';\n${base}`],
  [
    'the order of imports',
    base.replace(head, `import { z } from 'zod'; import { source, featureView, entity } from 'millrace';\n`),
  ],
  ['another name for an import', base.replace('{ z }', '{ z as zod }').replaceAll('z.', 'zod.')],
  ['an export of what was none', base.replace('const limit', 'export const limit')],
  ['one statement in a block', viewOf('pick(e.n)', 'function pick(n: number) { if (n > 1) { return 1; } return 2; }')],
];

test.each(same)('what changes no value does not count: %s', async (name, file) => {
  const alone = viewOf('pick(e.n)', 'function pick(n: number) { if (n > 1) return 1; return 2; }');
  const before = name === 'one statement in a block' ? alone : base;
  expect(file).not.toBe(before);
  expect(await textOf(file)).toBe(await textOf(before));
});

const different: readonly (readonly [string, string])[] = [
  ['a number', base.replace('1000', '1001')],
  ['a text', base.replace("'a'", "'b'")],
  ['an operator', base.replace('e.n *', 'e.n +')],
  ['the order of operands', base.replace('e.n * 1000', '1000 * e.n')],
  ['precedence', base.replace('e.n * 1000 + fee(e.id)', 'e.n * (1000 + fee(e.id))')],
  ['a constant elsewhere', base.replace('limit = 10', 'limit = 11')],
  ['a window', base.replace("over('7d')", "over('8d')")],
  ['the time field', base.replace(`eventTime: 'at'`, `eventTime: 'at2'`)],
  ['the topic', base.replace(`topic: 'events'`, `topic: 'events2'`)],
  ['an option nobody knows of', base.replace(`topic: 'events'`, `topic: 'events', brokerTime: 'none'`)],
  ['the guard', base.replace(`topic: 'events'`, `topic: 'events', maxAhead: false`)],
  ['a key', base.replace('entity: thing', 'key: (e) => ({ id: e.id }), entity: thing')],
  ['the contract', base.replace('n: z.int()', 'n: z.int().min(0)')],
  ['what a default is', base.replace('(x: string)', "(x: string = 'b')")],
  ['an assignment', base.replace('const limit = 10;', 'let limit = 10; limit = 11;')],
  [
    'a call that may change something',
    base.replace('const limit = 10;', 'const limit = 10; const done = globalThis.setUp?.(limit);'),
  ],
  ['a statement', base.replace('const limit = 10;', 'const limit = 10; Reflect.set(events, "x", 1);')],
  ['a computed __proto__', viewOf('o(e).y', 'const o = (e) => ({ ["__proto__"]: { y: 1 } })')],
  ['infinity', base.replace('1000', '1e400')],
  ['null for a number', base.replace('1000', 'null')],
  ['a number as text', base.replace('1000', "'1000'")],
  ['a bigint', base.replace('1000', '1000n')],
];

test.each(different)('what may change a value counts: %s', async (_, file) => {
  expect(file).not.toBe(base);
  expect(await textOf(file)).not.toBe(await textOf(base));
});

test('pairs that look alike and are not', async () => {
  const pairs: readonly (readonly [string, string])[] = [
    [viewOf('({ __proto__: p }).y', 'const p = { y: 1 }'), viewOf('({ ["__proto__"]: p }).y', 'const p = { y: 1 }')],
    [
      viewOf('({ __proto__ }).y', 'const __proto__ = { y: 1 }'),
      viewOf('({ __proto__: __proto__ }).y', 'const __proto__ = { y: 1 }'),
    ],
    [viewOf('tag`a\\u0061`', 'const tag = String.raw'), viewOf('tag`aa`', 'const tag = String.raw')],
    [
      viewOf('g()', 'const x = 1; function g(a = x) { const y = a; return y; }'),
      viewOf('g()', 'const x = 2; function g(a = x) { const y = a; return y; }'),
    ],
    [
      viewOf('g()', 'const x = 1; function g(a = x) { let x = 5; return a; }'),
      viewOf('g()', 'const x = 2; function g(a = x) { let x = 5; return a; }'),
    ],
    [viewOf('a', 'let n = 0; const a = n; n++;'), viewOf('a', 'let n = 0; n++; const a = n;')],
    [viewOf('[, 1].length', ''), viewOf('[1].length', '')],
    [viewOf('e.id?.length', ''), viewOf('e.id.length', '')],
    [viewOf('(e.n, 1)', ''), viewOf('[e.n, 1]', '')],
    [viewOf('/a/g.flags.length', ''), viewOf('/a/i.flags.length', '')],
    [
      viewOf('g.name.length', 'const g = function one() {}'),
      viewOf('g.name.length', 'const g = function another() {}'),
    ],
    [viewOf('one.name.length', 'const one = () => 1'), viewOf('another.name.length', 'const another = () => 1')],
    [
      viewOf('t.size', 'const t = new Map(); const full = t.set(1, 2);'),
      viewOf('t.size', 'const t = new Map(); const full = t;'),
    ],
    [
      viewOf('t.size', 'const t = new Map(); fill(t); function fill(m) { m.set(1, 2); }'),
      viewOf('t.size', 'const t = new Map(); fill(t); function fill(m) { m.get(1); }'),
    ],
  ];
  const alike: string[] = [];
  for (const [one, other] of pairs) if ((await textOf(one)) === (await textOf(other))) alike.push(one);
  expect(alike).toEqual([]);
});

test('code moved to another file, renamed or passed on by an index is the same code', async () => {
  const before = await textOf(viewOf('fee(e.n)', 'const fee = (x: number) => x * rate; const rate = 3;'));
  const fees = `const fee = (x: number) => x * rate; const rate = 3; export { fee };`;
  const moved = viewOf('fee(e.n)', `import { fee } from './lib/fees.ts';`);
  expect(await textOf(moved, { 'lib/fees.ts': fees })).toBe(before);
  expect(await textOf(moved.replace('./lib/fees.ts', './money.ts'), { 'money.ts': fees })).toBe(before);
  expect(
    await textOf(moved.replace('{ fee }', '{ charge as fee }'), {
      'lib/fees.ts': fees.replace('{ fee }', '{ fee as charge }'),
    }),
  ).toBe(before);
  expect(await textOf(`export * from './shop.ts';`, { 'shop.ts': moved, 'lib/fees.ts': fees })).toBe(before);
  expect(await textOf(`export { view } from './shop.ts';`, { 'shop.ts': moved, 'lib/fees.ts': fees })).toBe(before);
  const whole = viewOf('fees.fee(e.n)', `import * as fees from './lib/fees.ts';`);
  expect(await textOf(whole, { 'lib/fees.ts': fees })).toBe(before);
  // A name that another file uses as well makes no difference.
  const others = `const e = 1; const fee = 2; export const other = () => e + fee;`;
  expect(
    await textOf(`export * from './other.ts'; export * from './shop.ts';`, {
      'shop.ts': moved,
      'lib/fees.ts': fees,
      'other.ts': others,
    }),
  ).toBe(before);
});

test('an imported JSON file counts by what it says', async () => {
  const file = viewOf('codes.list[e.n]', `import codes from './codes.json' with { type: 'json' };`);
  const text = await textOf(file, { 'codes.json': '{ "list": [1, 2.0] }' });
  expect(await textOf(file, { 'codes.json': '{"list":[1,2]}\n' })).toBe(text);
  expect(await textOf(file, { 'codes.json': '{"list":[1,3]}' })).not.toBe(text);
});

test('CommonJS of the user counts whole, with what it requires', async () => {
  const file = viewOf('fees.fee(e.n)', `import fees from './fees.cjs';`);
  const legacy = viewOf('fees.fee(e.n)', `import fees from './fees.js';`);
  const cjs = `const { rate } = require('./rate.cjs'); module.exports = { fee: (x) => x * rate };`;
  const read = async (rate: string, name: string, from: string) => {
    const { text, packages } = await codeOf({ 'index.ts': from, [name]: cjs, 'rate.cjs': `exports.rate = ${rate};` });
    return [text, packages.text, packages.packages].join('\n');
  };
  expect(await read('2', 'fees.cjs', file)).toBe(await read('2 ', 'fees.cjs', file));
  expect(await read('2', 'fees.cjs', file)).not.toBe(await read('3', 'fees.cjs', file));
  expect(await read('2', 'fees.js', legacy)).not.toBe(await read('3', 'fees.js', legacy));
});

test('packages count by version and by the code that is used, as Node finds it, without paths', async () => {
  const pack = (name: string, version: string, files: Readonly<Record<string, string>>, more: object) =>
    Object.fromEntries(
      Object.entries({ ...files, 'package.json': JSON.stringify({ name, version, ...more }) }).map(([path, text]) => [
        `../node_modules/${name}/${path}`,
        text,
      ]),
    );
  const esm = { type: 'module', exports: './index.js', sideEffects: false };
  const files = {
    'index.ts': viewOf(
      'twice(e.n) + half(e.n)',
      `import { twice } from 'pure'; import { half } from 'old'; import { idle } from 'idle';`,
    ),
    ...pack('pure', '1.0.0', { 'index.js': 'export const twice = (x) => x * 2; export const other = () => 1;' }, esm),
    // esbuild alone would prefer "module", which Node never runs.
    ...pack(
      'old',
      '2.0.0',
      { 'cjs.js': 'exports.half = (x) => x / 2;', 'esm.js': 'export const half = (x) => x / 3;' },
      { main: 'cjs.js', module: 'esm.js' },
    ),
    ...pack('idle', '3.0.0', { 'index.js': 'export const idle = 1;' }, esm),
  };
  const read = async (change: Readonly<Record<string, string>> = {}) =>
    (await codeOf({ ...files, ...change })).packages;
  const base = await read();
  expect(base.packages).toEqual(['old@2.0.0', 'pure@1.0.0']);
  expect(base.text).toContain('x/2');
  expect(base.text).toContain('"old/cjs.js"');
  expect(base.text).not.toContain('node_modules');
  expect(await read()).toEqual(base);
  expect(
    await read({
      '../node_modules/pure/index.js': 'export const other = () => 2; /* twice */ export const twice = (x) => x * 2;',
    }),
  ).toEqual(base);
  expect((await read({ '../node_modules/pure/index.js': 'export const twice = (x) => x * 4;' })).text).not.toBe(
    base.text,
  );
  const newer = pack('pure', '1.0.1', { 'index.js': 'export const twice = (x) => x * 2;' }, esm);
  expect(await read(newer)).toEqual({ text: base.text, packages: ['old@2.0.0', 'pure@1.0.1'] });
});

test('what happens inside packages counts for views that use packages', async () => {
  const dayjs = {
    '../node_modules/days/package.json': JSON.stringify({ name: 'days', version: '1.0.0', main: 'index.js' }),
    '../node_modules/days/index.js':
      'exports.extend = () => 1; exports.of = (x) => x; exports.format = () => (x) => x;',
  };
  const read = async (row: string, before: string, changed = false) => {
    const file = viewOf(row, `import * as days from 'days'; const table = [1]; const half = (x) => x / 2; ${before}`);
    const { text, packages } = await codeOf({ ...dayjs, 'index.ts': file }, 'view', changed);
    return [text, packages.text, ...packages.packages].join('\n');
  };
  const aside = [
    'days.extend(1);',
    'const hour = days.format("%H"); const later = hour(half);',
    'const made = new days.Thing({ a: [1, "x"], of: days.of, half, third: (x) => half(x) / 3 });',
  ];
  for (const before of aside) {
    expect(await read('table.length', before)).toBe(await read('table.length', ''));
    expect(await read('days.of(e.n)', before)).not.toBe(await read('days.of(e.n)', ''));
    expect(await read('table.length', before, true)).not.toBe(await read('table.length', '', true));
  }
  // What is handed something of ours may change it.
  const handed = [
    'days.extend(table);',
    'const held = days.format(() => table);',
    'days.extend({ of: [table] });',
    'days.extend(...table);',
  ];
  for (const before of handed) expect(await read('table.length', before)).not.toBe(await read('table.length', ''));
});

test('what another file does to a shared value counts, without an import of it', async () => {
  const shared = `export const shared: number[] = [];`;
  const read = async (other: string) => {
    const folder = writeProject({
      'shared.ts': shared,
      'a.ts': viewOf('shared.length', `import { shared } from './shared.ts';`),
      'b.ts': other,
    });
    const graph = await readModuleGraph([join(folder, 'a.ts'), join(folder, 'b.ts')]);
    return exportCodeReader(graph, { globalsChanged: false })(join(folder, 'a.ts'), 'view').text;
  };
  const idle = `import { shared } from './shared.ts'; export const other = shared;`;
  expect(await read(idle)).toBe(await read(`export const nothing = 1;`));
  expect(await read(`${idle} shared.push(1);`)).not.toBe(await read(idle));
});

test('views made by a function of the user count one by one', async () => {
  const make = `${head}${things}
    const make = (name: string, days: number) => featureView(name, { entity: thing, source: events, features: (f) => ({ x: f.count().over(\`\${days}d\`) }) });
    export const view = make('a', 7);
    export const other = make('b', OTHER);`;
  const text = await textOf(make.replace('OTHER', '8'));
  expect(await textOf(make.replace('OTHER', '9'))).toBe(text);
  expect(await textOf(make.replace('7', '6').replace('OTHER', '8'))).not.toBe(text);
  // Through another file as well.
  const [maker, user] = [
    make.slice(0, make.indexOf('export')).replace('const make', 'export const make'),
    make.slice(make.indexOf('export')),
  ];
  const file = `import { make } from './make.ts';\n${user}`;
  const split = await textOf(file.replace('OTHER', '8'), { 'make.ts': maker });
  expect(await textOf(file.replace('OTHER', '9'), { 'make.ts': maker })).toBe(split);
});

test('the text of a view is this, whatever version of a bundler is at hand', async () => {
  const { text } = await codeOf({ 'index.ts': base });
  expect(text.split('\n').at(-2)).toBe(
    'const view = (VariableDeclarator id=view init=(CallExpression arguments=["v",(ObjectExpression properties=["entity":#2.thing,' +
      '"features":(ArrowFunctionExpression body=(ObjectExpression properties=["x":(CallExpression arguments=["7d",] callee=(. ' +
      '(CallExpression arguments=[(ArrowFunctionExpression body=(BinaryExpression left=(BinaryExpression left=(. e "n") operator="*" ' +
      'right=1000) operator="+" right=(CallExpression arguments=[(. e "id"),] callee=#0.fee)) params=[e,]),] callee=(. f "sum")) ' +
      '"over")),]) params=[f,]),"source":#3.events,]),] callee=@"millrace".featureView))',
  );
});
