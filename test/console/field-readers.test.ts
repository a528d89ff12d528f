/** What breaks if a field goes, by the definitions alone. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readersOf } from '../../console/lineage/field-readers.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { observedFields } from '../../engine/define/observed-fields.ts';
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
  where: (e) => e.kind !== 'none',
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

/** How views of `events` take a field. */
async function takers(field: string, isNoted: boolean): Promise<object> {
  const { views } = await compileDefinitions(definitionsInMemory([view, elsewhere], '/srv'));
  const reading = [...views.values()]
    .filter(({ source: { name } }) => name === 'events')
    .map((one) => ({
      view: one.name,
      layout: one.layout,
      inputs: one.featureInputs ?? null,
      observed: isNoted ? observedFields(one) : null,
    }));
  const { features, wholes } = readersOf(reading, field);
  return {
    ...Object.fromEntries(features.map(({ feature, use }) => [feature, use])),
    wholes: wholes.map(({ as }) => as),
  };
}

test('fields are told by how features take them; longer names are none', async () => {
  expect(await takers('n', false)).toEqual({
    plain: 'reads',
    made: 'names',
    filtered: 'names',
    of_plain: 'names',
    wholes: [],
  });
  expect(await takers('nn', false)).toEqual({ other: 'reads', longer: 'names', wholes: [] });
  expect(await takers('kind', false)).toEqual({ grouped: 'reads', wholes: [] });
  expect(await takers('id', false)).toEqual({ wholes: ['key'] });
  expect(await takers('a.b(', false)).toEqual({ wholes: [] });
});

test('what was observed counts for more than what code names', async () => {
  expect(await takers('n', true)).toEqual({
    plain: 'reads',
    made: 'observed',
    filtered: 'observed',
    of_plain: 'observed',
    wholes: [],
  });
  expect(await takers('nn', true)).toEqual({ other: 'reads', longer: 'observed', wholes: [] });
  expect(await takers('id', true)).toEqual({ wholes: ['key'] });
  expect(await takers('kind', true)).toEqual({ grouped: 'reads', wholes: ['where'] });
});
