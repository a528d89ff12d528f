import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { makeBundle } from '../../engine/bundles/make-bundle.ts';
import { openBundle } from '../../engine/bundles/open-bundle.ts';
import type { ViewBundle } from '../../engine/bundles/view-bundle.ts';
import { derivedSubjects } from '../../engine/define/derived-samples.ts';
import { describePlan } from '../../engine/define/plan.ts';
import { haveSameStates } from '../../engine/define/state-tag.ts';
import type { ViewTags } from '../../engine/define/view-tags.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { entity, featureView, source } from '../../index.ts';
import { writeProject } from '../define/code-of.ts';
import { briefly, faultsOf } from '../define/faults.ts';

const orders = source('orders', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string(), price: z.int(), note: z.string() }),
  eventTime: 'at',
  topic: 'orders',
});
const shop = entity('shop', { shop: z.string() });
type Derived = Parameters<typeof featureView>[1]['derived'];

function sales(derived: unknown) {
  return featureView('sales', {
    entity: shop,
    source: orders,
    features: (f) => ({ n_1d: f.count().over('1d'), n_7d: f.count().over('7d'), note: f.last('note') }),
    derived: derived as Derived,
  }) as ReturnType<typeof featureView>;
}
const faulty = async (derived: unknown): Promise<string[]> => briefly(await faultsOf([sales(derived)]));
const path = (faults: string[]): string[] => faults.map((fault) => fault.replace('feature view sales ', ''));

interface Seen {
  readonly n_1d: number;
  readonly n_7d: number;
  readonly note: string | null;
}
type Make = (compute: (v: Seen, context: { readonly at: number }) => unknown) => unknown;
type D = Record<'number' | 'int' | 'string', Make> & { list(item: unknown, compute: () => unknown): unknown };

describe('plan', () => {
  test('takes what is sound, and shows it', async () => {
    const view = sales([
      (d: D) => ({ share: d.number((v) => (v.n_7d === 0 ? null : v.n_1d / v.n_7d)) }),
      (d: D) => ({ words: d.list(z.string(), () => []) }),
    ]);
    const definitions = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
    const [row] = describePlan(definitions);
    expect(row?.features.slice(3)).toEqual([
      expect.objectContaining({ name: 'share', aggregate: 'derived', window: '', hop: '', type: 'double?' }),
      expect.objectContaining({ name: 'words', aggregate: 'derived', type: 'list of string?' }),
    ]);
    expect(row?.features[3]?.input).toContain('v.n_1d / v.n_7d');
  });

  test.for([
    ['a name of a feature', (d: D) => ({ n_1d: d.int(() => 1) }), ['derived.n_1d: duplicate-name']],
    ['a join key', (d: D) => ({ shop: d.int(() => 1) }), ['derived.shop: duplicate-name']],
    [
      'a name of an earlier block',
      [(d: D) => ({ a: d.int(() => 1) }), (d: D) => ({ a: d.int(() => 1) })],
      ['derived[1].a: duplicate-name'],
    ],
    ['a reserved name', (d: D) => ({ as_of: d.int(() => 1) }), ['derived.as_of: reserved-name']],
    ['no snake_case', (d: D) => ({ Aa: d.int(() => 1) }), ['derived.Aa: invalid-name']],
    ['no function', 5, ['derived: no-function']],
    ['no function of a feature', (d: D) => ({ a: d.int(5 as never) }), ['derived.a: no-function']],
    ['no derived feature', () => ({ a: 5 }), ['derived.a: no-feature']],
    ['no object', () => 5, ['derived: features-failed']],
    [
      'a block that throws',
      () => {
        throw new Error('x');
      },
      ['derived: features-failed'],
    ],
    ['a block that is impure', (d: D) => ({ a: Math.random() > 2 ? 1 : d.int(() => 1) }), ['derived: impure-function']],
    ['a list of nothing', (d: D) => ({ a: d.list(undefined, () => []) }), ['derived.a: unsupported-type']],
    ['a list of lists', (d: D) => ({ a: d.list(z.array(z.string()), () => []) }), ['derived.a: unsupported-type']],
    ['a list of nulls', (d: D) => ({ a: d.list(z.string().nullable(), () => []) }), ['derived.a: unsupported-type']],
  ] as const)('refuses %s', async ([, derived, expected]) => {
    expect(path(await faulty(derived))).toEqual(expected);
  });

  let calls = 0;
  test.for([
    ['the clock', () => Date.now()],
    ['chance', () => Math.random()],
    ['the clock, caught', () => swallowed(() => Date.now())],
    ['the environment', () => Number(process.env['HOME']?.length)],
    ['the environment, caught', () => swallowed(() => process.env['HOME']?.length)],
    ['local time', (v: Seen, { at }: { at: number }) => new Date(at / 1000).getHours() + v.n_1d],
    ['the time since it started', () => performance.now()],
    ['earlier calls', () => calls++],
    ['its input', (v: Seen) => ((v as { n_1d: number }).n_1d = 5)],
  ] as const)('refuses what depends on %s', async ([, compute]) => {
    expect(path(await faulty((d: D) => ({ x: d.number(compute as never) })))).toEqual(['derived.x: impure-function']);
  });

  test('refuses what throws for an entity without events, and leaves what fails on other values to the read', async () => {
    const length = (v: Seen): number => (v.note as string).length;
    expect(path(await faulty((d: D) => ({ x: d.int(length) })))).toEqual(['derived.x: failing-function']);
    const parsed = (v: Seen): unknown => (v.note === null ? null : (JSON.parse(v.note) as number));
    expect(await faulty((d: D) => ({ x: d.int(parsed) }))).toEqual([]);
    expect(await faulty((d: D) => ({ x: d.number((v) => v.n_1d / v.n_7d) }))).toEqual([]);
  });
});

function swallowed(use: () => unknown): number {
  try {
    use();
    return 1;
  } catch {
    return 1;
  }
}

const files = {
  'index.ts': `
    import { entity, featureView, source } from 'millrace';
    import { z } from 'zod';
    import { share } from './share.ts';
    import { fee } from './fee.ts';
    export const shop = entity('shop', { shop: z.string() });
    export const orders = source('orders', {
      schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string(), price: z.int() }),
      eventTime: 'at', eventId: 'id', topic: 'orders',
    });
    export const sales = featureView('sales', {
      entity: shop,
      source: orders,
      features: (f) => ({ n_1d: f.count().over('1d'), n_7d: f.count().over('7d'), fees: f.sum((e) => fee(e.price)).over('7d') }),
      derived: [
        (d) => ({ share: d.number((v, { at }) => share(v.n_1d, v.n_7d)), hour: d.int((_, { at }) => new Date(at / 1000).getUTCHours()) }),
        (d) => ({ tags: d.list(z.string(), (v) => (v.share === null ? [] : ['some'])) }),
      ],
    });
  `,
  'share.ts': `export const share = (one: number, all: number): number | null => (all === 0 ? null : one / all);`,
  'fee.ts': `export const fee = (price: number): number => price * 2;`,
};
type Edit = readonly [file: keyof typeof files, from: string, to: string];

async function project(...edits: readonly Edit[]): Promise<CompiledView & { readonly tags: ViewTags }> {
  const edited: Record<string, string> = { ...files };
  for (const [file, from, to] of edits) {
    expect(edited[file]).toContain(from);
    edited[file] = (edited[file] as string).replace(from, to);
  }
  const { views } = await compileDefinitions(await importDefinitions(writeProject(edited)));
  const view = views.get('sales');
  if (view?.tags === undefined) throw new Error('no view');
  return { ...view, tags: view.tags };
}

const base = await project();
const changed = (after: ViewTags): string[] =>
  Object.keys(base.tags.features).filter((name) => after.features[name] !== base.tags.features[name]);

describe('a version', () => {
  test.for([
    ['a function', ['index.ts', 'share(v.n_1d, v.n_7d)', 'share(v.n_1d, v.n_7d + 1)']],
    ['a helper of its own', ['share.ts', 'one / all', 'one / (all + 1)']],
    ['one more', ['index.ts', 'hour: d.int', 'twice: d.int((v) => v.n_1d * 2), hour: d.int']],
    ['one less', ['index.ts', `(d) => ({ tags: d.list(z.string(), (v) => (v.share === null ? [] : ['some'])) }),`, '']],
    ['another kind', ['index.ts', 'hour: d.int', 'hour: d.number']],
  ] as const satisfies readonly (readonly [string, Edit])[])(
    'that differs in what is derived has the same states: %s',
    async ([, edit]) => {
      const after = await project(edit);
      expect(after.fingerprint).not.toBe(base.fingerprint);
      expect(haveSameStates(base.tags, after.tags)).toBe(true);
      expect(changed(after.tags).filter((name) => ['n_1d', 'n_7d', 'fees'].includes(name))).toEqual([]);
      expect(changed(after.tags)).not.toEqual([]);
    },
  );

  test('that has a first derived feature has the states of the one that had none', async () => {
    const derived = /derived: \[[^]*?\n {6}\],/.exec(files['index.ts'])?.[0] ?? '';
    const before = await project(['index.ts', derived, ''], ['index.ts', `import { share } from './share.ts';`, '']);
    expect(before.layout.features.map(({ name }) => name)).toEqual(['n_1d', 'n_7d', 'fees']);
    expect(haveSameStates(base.tags, before.tags)).toBe(true);
  });

  test('that differs in a feature differs in what is derived of it', async () => {
    const after = await project(['fee.ts', 'price * 2', 'price * 3']);
    expect(haveSameStates(base.tags, after.tags)).toBe(false);
    expect(changed(after.tags)).toEqual(['fees', 'share', 'hour', 'tags']);
  });

  test('has other states where a row function shares something that changes with what is derived', async () => {
    const shared = `export const kept = new Map<number, number>(); export const fee = (price: number): number => { kept.set(price, 1); return price * 2; };`;
    const uses: Edit[] = [
      ['fee.ts', files['fee.ts'], shared],
      ['index.ts', `import { fee }`, `import { fee, kept }`],
      ['index.ts', 'new Date(at / 1000).getUTCHours()', 'new Date(at / 1000).getUTCHours() + (kept.get(-1) ?? 0)'],
    ];
    const before = await project(...uses);
    const after = await project(...uses, ['index.ts', '(kept.get(-1) ?? 0)', '(kept.get(-1) ?? 1)']);
    expect(haveSameStates(before.tags, after.tags)).toBe(false);
  });

  test('carries the code of what is derived, and says the same wherever it is opened', async () => {
    const bundle = JSON.parse(JSON.stringify(await makeBundle(base))) as ViewBundle;
    const opened = await openBundle(bundle, '/elsewhere');
    expect(opened.layout).toEqual(base.layout);
    expect(derivedSubjects(opened)).toEqual(derivedSubjects(base));
    const reducer = createViewReducer(opened.layout, opened.derived);
    expect(reducer.read(reducer.empty(), 3_600_000_000)).toEqual([0, 0, null, null, 1, '[]']);
  });
});

test('who reads derived features has to bring their code', () => {
  const reducer = createViewReducer(base.layout);
  expect(() => reducer.read(reducer.empty(), 0)).toThrow(
    'the code of the derived features of view "sales" is not at hand',
  );
});
