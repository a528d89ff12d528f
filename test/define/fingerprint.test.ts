import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { entity, featureView, source } from '../../index.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-fingerprint-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const files = {
  'index.ts': `export * from './shop.ts';`,
  'shop.ts': `
    import { entity, featureView, source } from 'millrace';
    import { z } from 'zod';
    import { fee, other } from './fees.ts';
    /** A shop. */
    export const shop = entity('shop', { shop: z.string() });
    export const orders = source('orders', {
      schema: z.object({ at: z.iso.datetime(), shop: z.string(), price: z.int().min(0), note: z.string() }),
      eventTime: 'at', topic: 'orders',
    });
    const threshold = Math.max(10, 5);
    export const a = featureView('a', { entity: shop, source: orders, features: (f) => ({
      fees: f.sum((e) => fee(e.price)).over('7d'), n: f.count().over('1d') }) });
    export const b = featureView('b', { entity: shop, source: orders, where: (e) => e.price > threshold, features: (f) => ({
      others: f.max((e) => other(e.price)) }) });
  `,
  'fees.ts': `
    import { rate } from './deep/rate.ts';
    export const fee = (price: number): number => price * rate;
    export function other(price: number): number { return price + 1; }
  `,
  'deep/rate.ts': `export const rate = Number('2');`,
};

type Edit = readonly [file: keyof typeof files, from: string, to: string];

let folders = 0;

/** The fingerprints of the files with some text replaced, each time in a new folder. */
async function fingerprints(...edits: readonly Edit[]) {
  folders += 1;
  const folder = join(root, `place-${folders}`, 'features');
  mkdirSync(join(folder, 'deep'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    let edited = text;
    for (const [file, from, to] of edits) {
      if (file !== name) continue;
      expect(edited).toContain(from);
      edited = edited.replace(from, to);
    }
    writeFileSync(join(folder, name), edited);
  }
  const { views } = await loadDefinitions(folder);
  return { a: views.get('a')!.fingerprint, b: views.get('b')!.fingerprint };
}

test('the same definitions have the same fingerprint anywhere, whatever their formatting, comments and types', async () => {
  const base = await fingerprints();
  expect(base.a).toMatch(/^[0-9a-f]{64}$/);
  expect(base.a).not.toBe(base.b);
  expect(await fingerprints()).toEqual(base);
  expect(await fingerprints(['shop.ts', '/** A shop. */', '// An outlet\n\n'])).toEqual(base);
  expect(await fingerprints(['shop.ts', '(e) => fee(e.price)', '( e )  =>\n fee( e.price )'])).toEqual(base);
  expect(await fingerprints(['fees.ts', 'price: number): number =>', 'price: number) =>'])).toEqual(base);
  expect(await fingerprints(['index.ts', `export * from './shop.ts';`, `export { a, b } from './shop.ts';`])).toEqual(
    base,
  );
});

test('what changes no value changes no fingerprint', async () => {
  const base = await fingerprints();
  const topic = `topic: 'orders'`;
  for (const edit of [
    ['shop.ts', 'source: orders, where', `source: orders, refresh: '6h', where`],
    ['shop.ts', topic, `${topic}, invalidLimit: { rate: 0.5, window: 10 }`],
    ['shop.ts', topic, `${topic}, headers: ['trace']`],
    ['shop.ts', topic, `${topic}, sensitive: ['note', 'price']`],
    ['shop.ts', topic, `${topic}, segments: ['note', { name: 'dear', of: (e) => String(e.price > 1) }]`],
    ['shop.ts', topic, `${topic}, monitors: { budgetBytes: 1 << 30 }`],
    ['shop.ts', topic, `${topic}, monitors: false`],
    ['shop.ts', 'source: orders, where', `source: orders, segments: ['shop'], where`],
    ['shop.ts', `'a', { entity: shop, source: orders,`, `"a", { source: orders, "entity": shop,`],
    ['shop.ts', 'import { fee, other }', `import { readFileSync } from 'node:fs';\n    import { other, fee }`],
    ['shop.ts', 'const threshold', 'export const spare = [1].map((x) => x + 1);\n    const threshold'],
    ['shop.ts', '/** A shop. */', 'const price = 1;'],
    ['fees.ts', 'price + 1', '(price + 1.0)'],
  ] as const) {
    expect([edit[2], await fingerprints(edit)]).toEqual([edit[2], base]);
  }
  const expiring = await fingerprints(['shop.ts', 'source: orders, where', `source: orders, expire: '6h', where`]);
  expect(expiring.b).not.toBe(base.b);
  expect(expiring.a).toBe(base.a);
  const history = `${topic}, history: { path: 'data/*.csv' }`;
  const disjoint = `${topic}, history: { path: 'data/*.csv', disjoint: true }`;
  const before = await fingerprints(['shop.ts', topic, history]);
  expect(await fingerprints(['shop.ts', topic, disjoint])).toEqual(before);
  expect((await fingerprints(['shop.ts', topic, history.replace('data/', 'more/')])).a).not.toBe(before.a);
});

test('a view made in memory has the fingerprint of its functions, not of their formatting', async () => {
  const thing = entity('thing', { id: z.string() });
  const print = async (fn: (e: { readonly n: number }) => number, topic = 'events') => {
    const schema = z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() });
    const events = source('events', { schema, eventTime: 'at', topic });
    const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.sum(fn) }) });
    const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
    return views.get('v')?.fingerprint;
  };
  const written = (text: string) => runInThisContext(text) as (e: { readonly n: number }) => number;
  const base = await print(written('(e) => e.n * 2 + 1'));
  expect(await print(written('( e )=>{ /* twice */ return (e.n*2)+1.0; }'))).toBe(base);
  expect(await print(written('(e) => e.n * 2 + 2'))).not.toBe(base);
  expect(await print(written('(e) => e.n * (2 + 1)'))).not.toBe(base);
  expect(await print(written('(e) => e.n * 2 + 1'), 'other')).not.toBe(base);
  const method = await print(written('({ twice(e) { return e.n * 2; } }).twice'));
  expect(await print(written('({ twice(e) {\n  return e.n*2\n} }).twice'))).toBe(method);
  expect(await print(written('({ twice(e) { return e.n * 3; } }).twice'))).not.toBe(method);
});

test('a change of what a view is made of changes it, and no other view', async () => {
  const base = await fingerprints();
  const onlyA = async (edit: Edit): Promise<void> => {
    const changed = await fingerprints(edit);
    expect([changed.a === base.a, changed.b === base.b]).toEqual([false, true]);
  };
  const onlyB = async (edit: Edit): Promise<void> => {
    const changed = await fingerprints(edit);
    expect([changed.a === base.a, changed.b === base.b]).toEqual([true, false]);
  };
  await onlyA(['shop.ts', `over('7d')`, `over('8d')`]);
  await onlyA(['shop.ts', `over('7d')`, `over('7d', { hop: '2h' })`]);
  await onlyA(['shop.ts', 'fee(e.price)', 'fee(e.price) + 0']);
  await onlyA(['fees.ts', 'price * rate', 'rate * price']);
  await onlyA(['deep/rate.ts', `Number('2')`, `Number('3')`]);
  await onlyB(['shop.ts', 'Math.max(10, 5)', 'Math.max(10, 6)']);
  await onlyB(['shop.ts', 'e.price > threshold', 'e.price >= threshold']);
  await onlyB(['fees.ts', 'return price + 1', 'return price + 2']);
  await onlyB(['shop.ts', `others: f.max(`, `another: f.max(`]);
});

test('a change of the contract, the event time or the entity changes every view of it', async () => {
  const base = await fingerprints();
  for (const edit of [
    ['shop.ts', 'z.int().min(0)', 'z.int().min(1)'],
    ['shop.ts', 'price: z.int()', 'price: z.int32()'],
    ['shop.ts', 'note: z.string()', 'note: z.string().nullable()'],
    ['shop.ts', `topic: 'orders'`, `topic: 'orders', maxAhead: '2h'`],
    ['shop.ts', `topic: 'orders'`, `topic: 'orders', maxAhead: false`],
    ['shop.ts', `topic: 'orders'`, `topic: 'orders', brokerTime: 'none'`],
    ['shop.ts', `topic: 'orders'`, `topic: 'orders2'`],
    ['shop.ts', `topic: 'orders'`, `topic: 'orders', finerThanMicros: 'truncate'`],
    ['shop.ts', 'at: z.iso.datetime()', 'at: z.iso.datetime({ local: true })'],
    ['shop.ts', 'at: z.iso.datetime()', 'at: z.iso.datetime({ offset: true })'],
    ['shop.ts', `entity('shop'`, `entity('outlet'`],
  ] as const) {
    const changed = await fingerprints(edit);
    expect([edit[2], changed.a === base.a, changed.b === base.b]).toEqual([edit[2], false, false]);
  }
});

test('the features of this repository keep their fingerprints elsewhere', async () => {
  const copy = join(root, 'copied', 'features');
  cpSync(new URL('../../features', import.meta.url), copy, { recursive: true });
  const here = await loadDefinitions('features');
  const there = await loadDefinitions(copy);
  const prints = ({ views }: typeof here) => [...views.values()].map((view) => view.fingerprint);
  expect(prints(there)).toEqual(prints(here));
});
