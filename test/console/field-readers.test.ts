/** What breaks if a field goes, by the definitions alone. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readersOf } from '../../console/lineage/field-readers.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { entity, featureView, source } from '../../index.ts';

const thing = entity('thing', { id: z.string() });
const events = source('events', {
  schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int(), nn: z.int(), kind: z.string() }),
  eventTime: 'at',
  topic: 'events',
});
const others = source('others', {
  schema: z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() }),
  eventTime: 'at',
  topic: 'others',
});
const view = featureView('v', {
  entity: thing,
  source: events,
  features: (f) => ({
    plain: f.sum('n'),
    other: f.sum('nn'),
    made: f.sum((e) => e.n * 2),
    // The name of a longer field is no use of the shorter one.
    longer: f.sum((e) => e.nn * 2),
    grouped: f.count().by('kind'),
    filtered: f.count().where((e) => e.n > 3),
    rows: f.count(),
  }),
  derived: (d) => ({ of_plain: d.number((v) => v.plain ?? 0), of_rows: d.number((v) => v.rows) }),
});
const elsewhere = featureView('w', { entity: thing, source: others, features: (f) => ({ plain: f.sum('n') }) });

test('fields are told by how features take them; those of other sources and longer names are none', async () => {
  const { views } = await compileDefinitions(definitionsInMemory([view, elsewhere], '/srv'));
  const of = (field: string): object => {
    const { features, keys } = readersOf([...views.values()], 'events', field);
    return {
      ...Object.fromEntries(features.map(({ feature, use }) => [feature, use])),
      keys: keys.map(({ key }) => key),
    };
  };
  expect(of('n')).toEqual({ plain: 'reads', made: 'names', filtered: 'names', of_plain: 'names', keys: [] });
  expect(of('nn')).toEqual({ other: 'reads', longer: 'names', keys: [] });
  expect(of('kind')).toEqual({ grouped: 'reads', keys: [] });
  expect(of('id')).toEqual({ keys: ['id'] });
  expect(of('a.b(')).toEqual({ keys: [] });
});
