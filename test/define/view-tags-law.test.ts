import fc from 'fast-check';
import { expect, test } from 'vitest';
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

test('features of equal tags have equal values, whatever else was edited, on any log', async () => {
  let equal = 0;
  let different = 0;
  await fc.assert(
    fc.asyncProperty(fc.subarray([...edits]), fc.constantFrom(...edits), rows, async (chosen, toggled, generated) => {
      const log = generated.map(({ minute, ...row }) => ({
        ...row,
        at: new Date(Date.UTC(2020, 0, 1) + minute * 60_000).toISOString(),
      }));
      const other = chosen.includes(toggled) ? chosen.filter((each) => each !== toggled) : [...chosen, toggled];
      const [before, after] = await Promise.all(
        [chosen, other].map(async (each) => {
          const { definition, compiled } = await taggedView(...edits.filter((edit) => each.includes(edit)));
          const view = testView(definition);
          view.feed(log);
          const reads = ['a', 'b'].map(
            (shop) => view.read({ shop }, '2020-01-07T00:00:00Z').values as Record<string, unknown>,
          );
          return { tags: compiled.tags?.features ?? {}, reads };
        }),
      );
      for (const [name, tag] of Object.entries(before!.tags)) {
        if (after!.tags[name] !== tag) {
          if (name in after!.tags) different += 1;
          continue;
        }
        equal += 1;
        const told = (of: typeof before) => ({ name, toggled, chosen, values: of!.reads.map((read) => read[name]) });
        expect(told(after)).toEqual(told(before));
      }
    }),
    lawRuns(60),
  );
  // Were no tags ever equal, or none different, the law would say nothing.
  expect(equal).toBeGreaterThan(60);
  expect(different).toBeGreaterThan(20);
});
