import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';

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
