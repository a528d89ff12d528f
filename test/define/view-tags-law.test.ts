import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CompiledView, PreparedEvent } from '../../engine/define/compiled-view.ts';
import type { ViewTags } from '../../engine/define/view-tags.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';
import { FedLog } from '../../engine/testing/fed-log.ts';
import { testView } from '../../engine/testing/view-under-test.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { type Edit, taggedView } from './tagged-project.ts';

/** Edits of one project, each on a text of its own: any set of them is a definition. */
const edits: readonly Edit[] = [
  ['rate.ts', '= 2', '= 3'],
  ['late.ts', 'note.length > 3', 'note.length > 1'],
  ['late.ts', 'export function', '/** Whether. */ export function'],
  ['fees.ts', 'threshold = 3', 'threshold = 7'],
  ['fees.ts', 'price * rate', 'price * rate + 1'],
  ['fees.ts', 'import', 'const spare = 1; import'],
  ['index.ts', 'e.price >=', 'e.price >'],
  ['index.ts', '({ shop: e.shop })', '({ shop: e.note.length > 2 ? e.shop : null })'],
  ['index.ts', '2030-01-01', '2020-01-03'],
  ['index.ts', `topic: 'orders',`, `topic: 'orders', dedupeHorizon: '1h',`],
  ['index.ts', 'z.int().min(0)', 'z.int().min(5)'],
  ['index.ts', `n_1d: f.count().over('1d'),`, `n_1d: f.count().over('2d'),`],
  ['index.ts', `fees_7d:`, `n_2h: f.count().over('2h'), fees_7d:`],
  ['index.ts', `late_1d:`, `twice: f.sum((e) => e.price * 2).over('3d'), late_1d:`],
  ['index.ts', `f.max('price')`, `f.min('price')`],
  ['index.ts', `last_note:`, `...{ spread: f.first('note') }, last_note:`],
  ['index.ts', `f.last('note')`, `f.last('shop')`],
  // Over tiles that are there: the states stay as they are.
  ['index.ts', `last_note:`, `n_6d: f.count().over('6d'), last_note:`],
  ['index.ts', `price_1d:`, `price_day:`],
  [
    'index.ts',
    `features: (f) => ({`,
    `features: (f) => ({ fees_9d: f.sum((e) => fee(e.price) + late(e.note)).over('9d'),`,
  ],
];

const rows = fc.array(
  fc.record({
    id: fc.nat(12).map(String),
    minute: fc.nat(6 * 24 * 60),
    shop: fc.constantFrom('a', 'b'),
    price: fc.nat(12),
    note: fc.constantFrom('', 'on', 'late', 'later'),
  }),
  { minLength: 5, maxLength: 40 },
);

interface Outcome {
  readonly tags: ViewTags;
  /** Per shop the features of a read after all events. */
  readonly reads: readonly Readonly<Record<string, unknown>>[];
  /** Per shop the state, without the layout tag it begins with. */
  readonly states: Readonly<Record<string, string>>;
}

async function outcomeOf(chosen: readonly Edit[], log: readonly Readonly<Record<string, unknown>>[]): Promise<Outcome> {
  const { definition, compiled } = await taggedView(...edits.filter((edit) => chosen.includes(edit)));
  if (compiled.tags === undefined) throw new Error('a compiled view has no tags');
  const view = testView(definition);
  view.feed(log);
  return {
    tags: compiled.tags,
    reads: ['a', 'b'].map((shop) => view.read({ shop }, '2020-01-07T00:00:00Z').values),
    states: statesOf(compiled, log),
  };
}

function statesOf(view: CompiledView, rows: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const log = new FedLog(view.source);
  const reducer = createViewReducer(view.layout);
  const states = new Map<string, EntityState>();
  const event: PreparedEvent = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs: [] };
  for (const row of rows) {
    const outcome = log.step(row, undefined);
    if (outcome.kind !== 'event' || view.prepare(outcome.event, event) !== 'ok') continue;
    const state = states.get(event.keyText) ?? reducer.empty();
    states.set(event.keyText, state);
    reducer.apply(state, event);
  }
  // A byte of the version of the encoding, four of the layout tag.
  const shown = (state: EntityState): string => Buffer.from(reducer.encode(state).subarray(5)).toString('hex');
  return Object.fromEntries([...states].map(([key, state]) => [key, shown(state)]));
}

test('of equal tags features have equal values, and views equal states, whatever else was edited, on any log', async () => {
  const told = { equal: 0, different: 0, sameStates: 0, otherStates: 0 };
  await fc.assert(
    fc.asyncProperty(fc.subarray([...edits]), fc.constantFrom(...edits), rows, async (chosen, toggled, generated) => {
      const log = generated.map(({ minute, ...row }) => ({
        ...row,
        at: new Date(Date.UTC(2020, 0, 1) + minute * 60_000).toISOString(),
      }));
      const other = chosen.includes(toggled) ? chosen.filter((each) => each !== toggled) : [...chosen, toggled];
      const [before, after] = [await outcomeOf(chosen, log), await outcomeOf(other, log)];
      const of = { toggled, chosen };
      for (const [name, tag] of Object.entries(before.tags.features)) {
        if (after.tags.features[name] !== tag) {
          if (name in after.tags.features) told.different += 1;
          continue;
        }
        told.equal += 1;
        const values = ({ reads }: Outcome) => ({ ...of, name, values: reads.map((read) => read[name]) });
        expect(values(after)).toEqual(values(before));
      }
      if (before.tags.state !== after.tags.state || before.tags.input !== after.tags.input) told.otherStates += 1;
      else {
        told.sameStates += 1;
        expect({ ...of, states: after.states }).toEqual({ ...of, states: before.states });
      }
    }),
    lawRuns(60),
  );
  // Were no tags ever equal, or none different, the law would say nothing.
  expect(told.equal).toBeGreaterThan(60);
  expect(told.different).toBeGreaterThan(20);
  expect(told.sameStates).toBeGreaterThan(3);
  expect(told.otherStates).toBeGreaterThan(20);
});
