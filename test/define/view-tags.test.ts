import { describe, expect, test } from 'vitest';
import type { ViewTags } from '../../engine/define/view-tags.ts';
import { type Edit, taggedView } from './tagged-project.ts';

async function tags(...edits: readonly Edit[]): Promise<ViewTags> {
  const { compiled } = await taggedView(...edits);
  if (compiled.tags === undefined) throw new Error('a compiled view has no tags');
  return compiled.tags;
}

/** Which features' tags differ; of those both have. */
function changed(before: ViewTags, after: ViewTags): string[] {
  return Object.keys(before.features)
    .filter((name) => name in after.features && before.features[name] !== after.features[name])
    .sort();
}

const base = await tags();
const ALL = Object.keys(base.features).sort();
const inserted = (text: string): Edit => ['index.ts', 'n_1d: f.count()', `${text}, n_1d: f.count()`];

test('a tag is 16 hex digits, and the same in every place and at every time', async () => {
  expect(ALL).toEqual(['fees_7d', 'last_note', 'late_1d', 'n_1d', 'price_1d']);
  for (const tag of [...Object.values(base.features), base.state, base.input]) expect(tag).toMatch(/^[0-9a-f]{16}$/);
  expect(new Set(Object.values(base.features)).size).toBe(ALL.length);
  expect(await tags()).toEqual(base);
});

test.for([
  ['a field', inserted(`price_3d: f.min('price').over('3d')`)],
  ['a function', inserted(`twice: f.sum((e) => e.price * 2).over('1d')`)],
  ['a function with an import of its own', inserted(`lates: f.sum((e) => late(e.note) + 1).over('1d')`)],
  ['a longer window in the same group', inserted(`prices: f.max('price').over('6d')`)],
] as const)('a feature beside it changes no other: %s', async ([, edit]) => {
  expect(changed(base, await tags(edit))).toEqual([]);
});

test('removing and reordering features changes none of the rest', async () => {
  expect(changed(base, await tags(['index.ts', `fees_7d: f.sum((e) => fee(e.price)).over('7d'),`, '']))).toEqual([]);
  expect(
    changed(
      base,
      await tags(
        ['index.ts', `n_1d: f.count().over('1d'),`, ''],
        ['index.ts', `f.last('note'),`, `f.last('note'), n_1d: f.count().over('1d'),`],
      ),
    ),
  ).toEqual([]);
});

test.for([
  ['comments', ['late.ts', 'export function', '/** Of it. */\nexport function']],
  ['line widths', ['index.ts', 'f.sum((e) => fee(e.price))', 'f.sum(\n  (e) =>\n    fee(e.price),\n)']],
  ['types', ['fees.ts', '(price: number): number', '(price: number)']],
  ['another spelling of a window', ['index.ts', `f.max('price').over('1d')`, `f.max('price').over('24h')`]],
  [
    'what changes no value',
    ['index.ts', `topic: 'orders'`, `topic: 'orders', invalidLimit: { rate: 0.5, window: 10 }`],
  ],
  ['code that no view uses', ['fees.ts', 'export const threshold', 'export const unused = 4; export const threshold']],
] as const satisfies readonly (readonly [string, Edit])[])('%s change no tag', async ([, edit]) => {
  expect(await tags(edit)).toEqual(base);
});

test.for([
  [['late.ts', 'note.length > 3', 'note.length > 4'], ['late_1d']],
  [['rate.ts', '= 2', '= 3'], ['fees_7d']],
  [['index.ts', 'fee(e.price)).over', 'fee(e.price) + 1).over'], ['fees_7d']],
  [['index.ts', `f.max('price').over('1d')`, `f.max('price').over('2d')`], ['price_1d']],
  [['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d', { hop: '30m' })`], ['price_1d']],
  [['index.ts', `f.max('price')`, `f.min('price')`], ['price_1d']],
  [['index.ts', `f.last('note')`, `f.last('shop')`], ['last_note']],
] as const satisfies readonly (readonly [Edit, string[]])[])('%j changes %j and no other', async ([edit, features]) => {
  expect(changed(base, await tags(edit))).toEqual(features);
});

test.for([
  ['a helper of where', ['fees.ts', 'threshold = 3', 'threshold = 4']],
  ['where', ['index.ts', 'e.price >= threshold', 'e.price > threshold']],
  ['key', ['index.ts', '({ shop: e.shop })', '({ shop: e.note })']],
  ['the contract', ['index.ts', 'z.int().min(0)', 'z.int().min(1)']],
  ['until', ['index.ts', '2030-01-01', '2030-01-02']],
  ['maxAhead', ['index.ts', `topic: 'orders',`, `topic: 'orders', maxAhead: '2h',`]],
  ['dedupeHorizon', ['index.ts', `topic: 'orders',`, `topic: 'orders', dedupeHorizon: '2h',`]],
  ['the entity', ['index.ts', `entity('shop', {`, `entity('outlet', {`]],
  ['what is evaluated beside it and may change anything', ['late.ts', 'export', 'globalThis.setting = 1; export']],
] as const satisfies readonly (readonly [string, Edit])[])('%s changes all', async ([, edit]) => {
  expect(changed(base, await tags(edit))).toEqual(ALL);
});

test('features that cannot be told apart have the code of all', async () => {
  const spread: Edit = ['index.ts', 'n_1d:', `...{ more: f.sum((e) => fee(e.price)).over('1d') }, n_1d:`];
  const before = await tags(spread);
  const after = await tags(spread, [
    'index.ts',
    'more: f.sum((e) => fee(e.price))',
    'more: f.sum((e) => fee(e.price) + 1)',
  ]);
  expect(changed(before, after)).toEqual([...ALL, 'more'].sort());
  // Beside those, each is still its own.
  expect(changed(before, await tags(spread, ['late.ts', '> 3', '> 4']))).toEqual(['late_1d']);
  // A name that a spread before it takes is not the one it has.
  const first = await tags(['index.ts', 'n_1d:', `...{ late_1d: f.avg((e) => e.price).over('1d') }, n_1d:`]);
  const last = await tags([
    'index.ts',
    `f.last('note'),`,
    `f.last('note'), ...{ late_1d: f.avg((e) => e.price).over('1d') },`,
  ]);
  expect(changed(first, last)).toContain('late_1d');
});

test('the state tag is that of groups, slots, hops and spans; the input tag that of the code before the reducers', async () => {
  const same = async (...edits: Edit[]) => {
    const { state, input } = await tags(...edits);
    return { state: state === base.state, input: input === base.input };
  };
  // Over tiles that exist: the same partial of the same group, in a window that is no longer.
  expect(await same(['index.ts', `f.last('note'),`, `f.last('note'), n_6d: f.count().over('6d'),`])).toEqual({
    state: true,
    input: true,
  });
  expect(await same(['index.ts', `price_1d: f.max('price')`, `prices_1d: f.max('price')`])).toEqual({
    state: true,
    input: true,
  });
  expect(await same(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('2d')`])).toEqual({
    state: true,
    input: true,
  });
  // A longer window is a longer span.
  expect(await same(['index.ts', `f.last('note'),`, `f.last('note'), n_9d: f.count().over('9d'),`])).toEqual({
    state: false,
    input: true,
  });
  expect((await same(['index.ts', `f.max('price')`, `f.min('price')`])).state).toBe(false);
  for (const edit of [
    ['rate.ts', '= 2', '= 3'],
    ['late.ts', '> 3', '> 4'],
    ['index.ts', 'e.price >= threshold', 'e.price > threshold'],
    ['index.ts', '2030-01-01', '2030-01-02'],
    ['index.ts', '({ shop: e.shop })', '({ shop: e.note })'],
  ] as const satisfies readonly Edit[]) {
    expect({ edit, ...(await same(edit)) }).toEqual({ edit, state: true, input: false });
  }
});

test.each([
  [`f.maxBy('price', 'id')`, `f.maxBy('price', 'note')`],
  [`f.maxBy('price', (e) => e.note.length)`, `f.maxBy('price', (e) => e.id.length)`],
  [`f.maxBy((e) => e.price, (e) => e.note.length)`, `f.maxBy((e) => e.price, (e) => e.id.length)`],
  [`f.maxBy((e) => e.price, 'id')`, `f.maxBy((e) => e.price, 'note')`],
])('what a feature orders by is its own: %s is not %s', async (one, other) => {
  const first = await tags(['index.ts', `f.max('price').over('1d')`, `${one}.over('1d')`]);
  const second = await tags(['index.ts', `f.max('price').over('1d')`, `${other}.over('1d')`]);
  expect(changed(first, second)).toEqual(['price_1d']);
  expect(second.input).not.toBe(first.input);
});

describe('what functions of two features share', () => {
  const shared = (declared: string, fee: string, late: string): Edit[] => [
    ['fees.ts', 'export const threshold', `${declared} export const threshold`],
    ['fees.ts', 'price * rate', fee],
    ['index.ts', '{ fee, threshold }', '{ fee, shared, threshold }'],
    ['index.ts', 'late(e.note))', `late(e.note) + ${late})`],
  ];
  const rated: Edit = ['rate.ts', '= 2', '= 3'];

  test.for([
    ['a constant', 'export const shared = 4 * 2;', 'price * rate * shared', 'shared'],
    ['a function', 'export function shared(x: number) { return x + 1; }', 'shared(price) * rate', 'shared(2)'],
    [
      'a table',
      'export const shared: Record<number, number> = { 1: 2, 2: 4 };',
      '(shared[price] ?? price) * rate',
      '(shared[e.price] ?? 0)',
    ],
    [
      'a frozen table',
      'export const shared = Object.freeze([1, 2]);',
      '(shared[price] ?? price) * rate',
      'shared.length',
    ],
    [
      'a map',
      'export const shared = new Map([[1, 2]]);',
      '(shared.get(price) ?? price) * rate',
      '(shared.get(e.price) ?? 0)',
    ],
    ['a table of tables', 'export const shared = { a: { b: 1 } };', 'price * rate + shared.a.b', '(shared.a.b + 1)'],
    [
      'a schema',
      `export const shared = z.int();`,
      'price * rate * (shared.safeParse(price).success ? 1 : 2)',
      '(shared.safeParse(e.note).success ? 1 : 0)',
    ],
  ] as const)('leaves them apart where it is only looked at: %s', async ([, declared, fee, late]) => {
    const edits = shared(declared, fee, late);
    if (declared.includes('z.')) edits.push(['fees.ts', 'import', `import { z } from 'zod'; import`]);
    expect(changed(await tags(...edits), await tags(...edits, rated))).toEqual(['fees_7d']);
  });

  test.for([
    [
      'a counter',
      'let kept = 0; export const shared = () => kept; const note = (x: number) => { kept = x; return x; };',
      'note(rate) * price',
      'shared() * 0',
    ],
    ['a table that is written', 'export const shared = { at: 0 };', '(shared.at = rate) * price', 'shared.at * 0'],
    [
      'a map',
      'export const shared = new Map<string, number>();',
      '(shared.set("a", rate), price)',
      '(shared.get("a") ?? 0) * 0',
    ],
    [
      'a list that is handed on',
      'export const shared = [0]; const note = (to: number[]) => { to[0] = rate; return 1; };',
      'note(shared) * price',
      'shared[0]! * 0',
    ],
    [
      'a member that is handed on',
      'export const shared = { a: { b: 0 } }; const note = (to: { b: number }) => { to.b = rate; return 1; };',
      'note(shared.a) * price',
      'shared.a.b * 0',
    ],
    [
      'a function with a member',
      'export function shared() { return 0; } shared.at = 0;',
      '(shared.at = rate) * price',
      'shared.at * 0',
    ],
    [
      'a class with a static member',
      'export class shared { static at = 0; }',
      '(shared.at = rate) * price',
      'shared.at * 0',
    ],
    [
      'a closure',
      'const make = () => { let kept = 0; return (x: number) => (x > 0 ? (kept = x) : kept); }; export const shared = make();',
      'shared(rate) * price',
      'shared(0) * 0',
    ],
  ] as const)('makes each a part of the other where it may keep something: %s', async ([, declared, fee, late]) => {
    const edits = shared(declared, fee, late);
    expect(changed(await tags(...edits), await tags(...edits, rated))).toContain('late_1d');
  });
});

test.each([
  [`f.max('price')`, `f.max('price').where((e) => e.note !== '')`],
  [`f.max('price').where((e) => e.id !== '')`, `f.max('price').where((e) => e.note !== '')`],
  [`f.stddev('price')`, `f.stddev('price', { population: true })`],
  [`f.lastN('price', 3)`, `f.lastN('price', 4)`],
  [`f.topK('price', 3)`, `f.topK('price', 4)`],
  [`f.distinct('price')`, `f.distinct('price', { limit: 10 })`],
  [`f.lastN('price', 3)`, `f.lastN('price', 3, { distinct: true })`],
  [`f.quantiles('price', [0.5])`, `f.quantiles('price', [0.9])`],
  [`f.quantiles('price', [0.5, 0.9])`, `f.quantiles('price', [0.9, 0.5])`],
  [`f.median('price')`, `f.median('price', { accuracy: 0.005 })`],
  [`f.approxDistinct('price')`, `f.approxDistinct('price', { error: 0.01 })`],
])('what a feature is told beside its input is its own: %s is not %s', async (one, other) => {
  const first = await tags(['index.ts', `f.max('price').over('1d')`, `${one}.over('1d')`]);
  const second = await tags(['index.ts', `f.max('price').over('1d')`, `${other}.over('1d')`]);
  expect(changed(first, second)).toEqual(['price_1d']);
});

test('a mean that moves into the moments of a deviation beside it is the mean it was', async () => {
  const first = await tags(['index.ts', `f.max('price').over('1d')`, `f.avg('price').over('1d')`]);
  const second = await tags([
    'index.ts',
    `f.max('price').over('1d')`,
    `f.avg('price').over('1d'), price_deviation: f.stddev('price').over('1d')`,
  ]);
  expect(second.features['price_1d']).toBe(first.features['price_1d']);
  expect(second.state).not.toBe(first.state);
});

test('how long ago a window was is a part of what its feature means, and none of what states hold that reach as far', async () => {
  const one = await tags(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d', { ago: '2h' })`]);
  expect(changed(base, one)).toEqual(['price_1d']);
  expect([one.state, one.input]).toEqual([base.state, base.input]);
  const further = await tags(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d', { ago: '7d' })`]);
  expect(changed(one, further)).toEqual(['price_1d']);
  expect(further.state).not.toBe(base.state);
});

test('a default is a part of what its feature means, and of nothing that comes into states', async () => {
  const one = await tags(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d').default(0)`]);
  const other = await tags(['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d').default(1)`]);
  expect(changed(base, one)).toEqual(['price_1d']);
  expect(changed(one, other)).toEqual(['price_1d']);
  expect([one.state, one.input]).toEqual([base.state, base.input]);
});

test('when entities expire is a part of what every feature means, and of nothing that comes into states', async () => {
  const week: Edit = ['index.ts', 'source: orders,\n', `source: orders, expire: '7d',\n`];
  const one = await tags(week);
  expect(changed(base, one)).toEqual(ALL);
  expect([one.state, one.input]).toEqual([base.state, base.input]);
  const same = await tags(['index.ts', 'source: orders,\n', `expire: '168h', source: orders,\n`]);
  expect(same).toEqual(one);
  expect(changed(one, await tags(['index.ts', 'source: orders,\n', `source: orders, expire: '8d',\n`]))).toEqual(ALL);
});
