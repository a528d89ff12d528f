import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { CompiledView, LogEvent } from '../../engine/define/compiled-view.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { emptyPrepared } from '../../engine/define/empty-prepared.ts';
import { compareDefinitions, type DefinitionDifference } from '../../engine/versions/compare-definitions.ts';
import { type Edit, taggedView } from '../define/tagged-project.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';

async function changed(...edits: readonly Edit[]): Promise<DefinitionDifference> {
  const [before, after] = await Promise.all([taggedView(), taggedView(...edits)]);
  const { layout, tags, source } = after.compiled;
  // Both would lie in one folder.
  const history = { ...source.history!, path: before.compiled.source.history!.path };
  return compareDefinitions(
    { layout: before.compiled.layout, tags: before.compiled.tags ?? null, view: before.compiled },
    { ...after.compiled, layout, tags, source: { ...source, history } },
  );
}

const nothing = {
  featuresAdded: [],
  featuresRemoved: [],
  featuresChanged: [],
  contract: { added: [], removed: [], changed: [] },
  source: [],
  keys: null,
};

describe('a definition held to another', () => {
  it.each<[string, readonly Edit[], Partial<Record<keyof DefinitionDifference, unknown>>, RegExp | null]>([
    ['comments and formatting', [['late.ts', 'export function', '/** Whether. */ export function']], {}, null],
    [
      'a feature over tiles that there are',
      [['index.ts', `n_1d:`, `n_2h: f.count().over('2h', { hop: '1h' }), n_1d:`]],
      { featuresAdded: ['n_2h'] },
      null,
    ],
    [
      'a feature less',
      [['index.ts', `price_1d: f.max('price').over('1d'),`, ``]],
      { featuresRemoved: ['price_1d'] },
      /hold less: no max of int in tiles of 1h/,
    ],
    [
      'a feature over tiles of its own',
      [['index.ts', `n_1d:`, `n_2h: f.count().over('2h'), n_1d:`]],
      { featuresAdded: ['n_2h'] },
      /have to hold more: count in tiles of 5m, tiles of 5m for 2h/,
    ],
    [
      'a longer window',
      [['index.ts', `f.max('price').over('1d')`, `f.max('price').over('8d')`]],
      { featuresChanged: [{ name: 'price_1d', what: ['window 1d → 8d'] }] },
      /have to hold more: tiles of 1h for 8d/,
    ],
    [
      'a default',
      [['index.ts', `f.max('price').over('1d')`, `f.max('price').over('1d').default(-1)`]],
      { featuresChanged: [{ name: 'price_1d', what: ['default none → -1'] }] },
      null,
    ],
    [
      'another aggregate',
      [['index.ts', `f.max('price')`, `f.min('price')`]],
      { featuresChanged: [{ name: 'price_1d', what: ['aggregate max → min'] }] },
      /min of int in tiles of 1h/,
    ],
    [
      'another field',
      [['index.ts', `f.last('note')`, `f.last('shop')`]],
      { featuresChanged: [{ name: 'last_note', what: ['input note → shop'] }] },
      /other values come into the states/,
    ],
    [
      'code that one function uses',
      [['rate.ts', '= 2', '= 3']],
      { featuresChanged: [{ name: 'fees_7d', what: ['its own function, or code it uses'] }] },
      /other values come into the states/,
    ],
    [
      'a setting of the source',
      [['index.ts', `topic: 'orders',`, `topic: 'orders', dedupeHorizon: '1h',`]],
      { featuresChanged: expect.anything(), source: [{ name: 'dedupeHorizon', what: ['1d → 1h'] }] },
      /other values come into the states/,
    ],
    [
      'a check of the contract, and a field',
      [['index.ts', 'z.int().min(0), note', 'z.int().min(5), more: z.boolean().nullable(), note']],
      {
        featuresChanged: expect.anything(),
        contract: {
          added: ['more'],
          removed: [],
          changed: [{ name: 'price', what: ['its checks, or how it is read'] }],
        },
      },
      /other values come into the states/,
    ],
    [
      'where',
      [['fees.ts', 'threshold = 3', 'threshold = 7']],
      { featuresChanged: expect.arrayContaining([{ name: 'n_1d', what: [expect.stringContaining('where, key')] }]) },
      /other values come into the states/,
    ],
    [
      'a limit, which changes no value',
      [['index.ts', `topic: 'orders',`, `topic: 'orders', invalidLimit: { rate: 0.5, window: 10 },`]],
      {},
      null,
    ],
  ])('%s', async (_, edits, expected, why) => {
    const difference = await changed(...edits);
    expect(difference).toEqual({
      ...nothing,
      ...expected,
      rebuild: {
        isNeeded: why !== null,
        why: why === null ? expect.stringContaining('those of the live version') : expect.stringMatching(why),
      },
    });
  });

  it('of a version without tags is told by its layout, and has to be built', async () => {
    const { compiled } = await taggedView();
    const other = await taggedView(['index.ts', `.over('7d')`, `.over('8d')`]);
    const difference = compareDefinitions({ layout: compiled.layout, tags: null, view: null }, other.compiled);
    expect(difference).toMatchObject({
      featuresChanged: [{ name: 'fees_7d', what: ['window 7d → 8d'] }],
      contract: null,
      source: null,
      rebuild: { isNeeded: true, why: expect.stringContaining('older than tags') },
    });
  });
});

const EDITS: readonly Edit[] = [
  ['rate.ts', '= 2', '= 3'],
  ['late.ts', 'export function', '/** Whether. */ export function'],
  ['fees.ts', 'threshold = 3', 'threshold = 7'],
  ['index.ts', `n_1d: f.count()`, `n_6h: f.count().over('6h', { hop: '1h' }), n_1d: f.count()`],
  ['index.ts', `price_1d:`, `price_7d: f.max('price').over('7d'), price_1d:`],
  ['index.ts', `late_1d:`, `late_total: f.sum((e) => late(e.note)).over('2d'), late_1d:`],
  ['index.ts', `last_note:`, `final: f.last('note'), last_note:`],
  ['index.ts', `f.last('note')`, `f.first('note')`],
  ['index.ts', 'z.int().min(0)', 'z.int().min(2)'],
  ['index.ts', `topic: 'orders',`, `topic: 'orders', invalidLimit: { rate: 0.5, window: 10 },`],
];
const rows = fc.array(
  fc.record({
    id: fc.nat(40).map(String),
    minute: fc.nat(9 * 24 * 60),
    shop: fc.constantFrom('a', 'b'),
    price: fc.nat(12),
    note: fc.constantFrom('', 'on', 'late', 'later'),
  }),
  { minLength: 5, maxLength: 40 },
);
type Row = Parameters<Parameters<typeof rows.map>[0]>[0][number];

/** The states of the shops, after what each begins with: a byte of the form, and the tag of the layout. */
function statesOf(view: CompiledView, log: readonly Row[]): Record<string, string> {
  const reducer = createViewReducer(view.layout);
  const prepared = emptyPrepared(view.layout.slots);
  const states = new Map<string, ReturnType<typeof reducer.empty>>();
  for (const [offset, { minute, ...row }] of log.entries()) {
    const at = new Date(Date.UTC(2020, 0, 1) + minute * 60_000).toISOString();
    const decoded = view.source.contract.decodeValue({ ...row, at });
    if (!decoded.ok) continue;
    const eventTimeUs = Date.parse(at) * 1000;
    const event: LogEvent = { row: decoded.row, eventTimeUs, id: row.id, partition: 0, offset, number: offset };
    if (view.prepare(event, prepared) !== 'ok') continue;
    const state = states.get(prepared.keyText) ?? reducer.empty();
    reducer.apply(state, prepared);
    states.set(prepared.keyText, state);
  }
  return Object.fromEntries(
    [...states].map(([key, state]) => [key, Buffer.from(reducer.encode(state)).subarray(5).toString('hex')]),
  );
}

test(`where no rebuild is needed the states are the same to the bit, whatever else was edited (seed ${lawSeed})`, async () => {
  const seen = { needed: 0, not: 0, added: 0 };
  await fc.assert(
    fc.asyncProperty(fc.subarray([...EDITS]), fc.constantFrom(...EDITS), rows, async (chosen, toggled, log) => {
      const other = chosen.includes(toggled) ? chosen.filter((each) => each !== toggled) : [...chosen, toggled];
      const [before, after] = await Promise.all(
        [chosen, other].map(
          async (each) => (await taggedView(...EDITS.filter((edit) => each.includes(edit)))).compiled,
        ),
      );
      const { layout, tags } = before!;
      const { rebuild, featuresAdded } = compareDefinitions({ layout, tags: tags ?? null, view: before! }, after!);
      if (rebuild.isNeeded) {
        seen.needed++;
        return;
      }
      seen.not++;
      seen.added += featuresAdded.length;
      expect(statesOf(after!, log)).toEqual(statesOf(before!, log));
    }),
    lawRuns(60),
  );
  expect(seen.needed).toBeGreaterThan(10);
  expect(seen.not).toBeGreaterThan(10);
  expect(seen.added).toBeGreaterThan(3);
});
