import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AGGREGATE_CASES } from '../../scripts/aggregate-cases.ts';
import { canFail, type AggregateName } from '../../engine/define/view-layout.ts';
import { testView } from '../../engine/testing/view-under-test.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { nameOfType } from '../../engine/values/type-name.ts';
import { decimal, entity, featureView, source } from '../../index.ts';
import { AGGREGATE_FACTS, type AggregateFacts } from '../../scripts/aggregate-facts.ts';
import { aggregateFigures, withAggregatesTable } from '../../scripts/aggregates-table.ts';

/** The table of aggregates in the guide, held to what is compiled and read. */
const rider = entity('rider', { rider: z.string() });
const rides = source('rides', {
  schema: z.object({ id: z.string(), rider: z.string(), at: z.iso.datetime(), fare: decimal(10, 2), stops: z.int() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'rides',
});
const ride = { rider: 'u', at: '2026-01-01T00:00:00Z', fare: '2.00', stops: 3 };

/** The aggregate over a field, as the table's call has it. */
function viewOf(aggregate: AggregateName, x: 'fare' | 'stops', population = false) {
  return featureView('v', {
    entity: rider,
    source: rides,
    // Each is called as its own type says: here by name.
    features: (f) => {
      const call = f[aggregate] as (...given: unknown[]) => ReturnType<typeof f.count>;
      if (aggregate === 'minBy' || aggregate === 'maxBy') return { x: call(x, 'stops') };
      if (aggregate === 'firstN' || aggregate === 'lastN' || aggregate === 'topK') return { x: call(x, 2) };
      if (aggregate === 'quantiles') return { x: call(x, [0.5]) };
      return { x: call(x, ...(population ? [{ population }] : [])) };
    },
  });
}

const RESULTS: Readonly<Record<AggregateFacts['result'], (x: 'fare' | 'stops') => unknown>> = {
  int: () => 'int',
  double: () => 'double',
  x: (x) => (x === 'fare' ? 'decimal(10,2)' : 'int'),
  'x, of decimals decimal(38, s)': (x) => (x === 'fare' ? 'decimal(38,2)' : 'int'),
  'list of x': (x) => `list of ${x === 'fare' ? 'decimal(10,2)' : 'int'}`,
  'list of double': () => 'list of double',
  'map of x to int': () => 'map of int to int',
};

test('docs/features.md has the table: write it again with node scripts/write-aggregates-table.ts', () => {
  const page = readFileSync('docs/features.md', 'utf8');
  expect(page).toBe(withAggregatesTable(page));
});

test('what is measured is what the table shows, all of it', () => {
  const cases = AGGREGATE_CASES.map(([name]) => name);
  expect(Object.keys(aggregateFigures())).toEqual(cases);
  for (const [name, { eventNs, readNs, tileBytes }] of Object.entries(aggregateFigures()))
    expect([name, eventNs > 0, readNs > 0, tileBytes > 0]).toEqual([name, true, true, true]);
  const measured = AGGREGATE_CASES.filter(([, , { by }]) => by === undefined);
  const shown = Object.entries(AGGREGATE_FACTS).flatMap(([aggregate, facts]) =>
    Object.values(facts.measured).map((name) => [aggregate, name].join(': ')),
  );
  expect(shown.toSorted()).toEqual(measured.map(([name, aggregate]) => [aggregate, name].join(': ')).toSorted());
});

describe.for(Object.entries(AGGREGATE_FACTS) as [AggregateName, AggregateFacts][])('%s', ([aggregate, facts]) => {
  const x = aggregate === 'histogram' ? 'stops' : 'fare';

  test('is called and gives what the table says', async () => {
    expect(facts.call).toMatch(new RegExp(`^${aggregate}\\(x`));
    for (const input of aggregate === 'histogram' ? ([x] as const) : (['fare', 'stops'] as const)) {
      const { views } = await compileDefinitions(definitionsInMemory([viewOf(aggregate, input)], '/srv/models'));
      expect(nameOfType(views.get('v')!.layout.features[0]!.result)).toBe(RESULTS[facts.result](input));
    }
  });

  test('is null where the table says so', () => {
    for (const [population, fewest] of [
      [false, facts.fewest],
      ...(facts.fewestOfAll ? [[true, facts.fewestOfAll]] : []),
    ] as const) {
      const view = testView(viewOf(aggregate, x, population === true));
      for (let values = 0; values <= 2; values++) {
        if (values > 0) view.feed([{ ...ride, id: `r${values}` }]);
        const read = view.read({ rider: 'u' }, '2026-02-01T00:00:00Z').values['x'];
        expect([values, read === null]).toEqual([values, values < Number(fewest)]);
        if (values === 0 && fewest === 0) expect(read).toBe(0);
      }
    }
  });

  test('has errors if it can fail', () => {
    expect(facts.errors.length > 0).toBe(canFail({ aggregate, result: { kind: 'int' } }));
  });
});
