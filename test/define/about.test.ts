import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { decisions, entity, featureService, featureView, labelSet, outcomes, source } from '../../index.ts';
import { codeOf } from './code-of.ts';
import { briefly, faultsOf } from './faults.ts';

const about = { description: 'What it is.', owner: 'pricing', tags: ['shop', 'daily'] };
const schema = z.object({ at: z.iso.datetime(), id: z.string(), n: z.int() });

function definitionsWith(told: typeof about | Record<string, never>) {
  const thing = entity('thing', { id: z.string() }, told);
  const events = source('events', { schema, eventTime: 'at', topic: 'events', ...told });
  const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.sum('n') }), ...told });
  const service = featureService('s', { views: [view], ...told });
  const list = featureService('l', [view], told);
  const said = decisions('said', { context: z.object({ id: z.string() }), topic: 'said', ...told });
  const came = outcomes('came', { value: z.number(), topic: 'came', ...told });
  const labels = labelSet('labels', {
    decisions: said,
    outcomes: came,
    value: (_, o) => o.value,
    matureAfter: '1d',
    absent: 0,
    ...told,
  });
  return compileDefinitions(definitionsInMemory([thing, events, view, service, list, said, came, labels], '/srv'));
}

test('every kind of definition can be told of, and nothing else of it changes', async () => {
  const [told, plain] = [await definitionsWith(about), await definitionsWith({})];
  expect(Object.fromEntries(told.abouts ?? [])).toEqual({
    'entity thing': about,
    'source events': about,
    'source said': about,
    'source came': about,
    'feature view v': about,
    'feature service s': about,
    'feature service l': about,
    'label set labels': about,
  });
  expect(plain.abouts?.size).toBe(0);
  expect(told.views.get('v')?.fingerprint).toBe(plain.views.get('v')?.fingerprint);
  expect(told.views.get('v')?.tags).toEqual(plain.views.get('v')?.tags);
  expect(told.labelSets.get('labels')?.tag).toBe(plain.labelSets.get('labels')?.tag);
});

const project = (entityAbout = '', sourceAbout = '', viewAbout = '', more = ''): string => `
  import { z } from 'zod'; import { entity, featureView, source } from 'millrace';
  ${more}
  const thing = entity('thing', { id: z.string() }${entityAbout});
  const events = source('events', { schema: z.object({ at: z.iso.datetime(), id: z.string() }), eventTime: 'at', topic: 'events'${sourceAbout} });
  export const view = featureView('v', { entity: thing, source: events, features: (f) => ({ x: f.count() })${viewAbout} });`;

test('what is told counts in no code, and an argument that does something does', async () => {
  const text = async (...parts: Parameters<typeof project>) => (await codeOf({ 'index.ts': project(...parts) })).text;
  const base = await text();
  const options = `, description: 'x', owner: 'y', tags: ['z']`;
  expect(await text(`, { description: 'x' }`)).toBe(base);
  expect(await text(`, told`, '', '', `const told = { owner: 'y' };`)).toBe(base);
  expect(await text('', options)).toBe(base);
  expect(await text('', '', options)).toBe(base);
  expect(
    await text(`, { description: log('x') }`, '', '', `const log = (x: string) => { globalThis.x = x; return x; };`),
  ).not.toBe(base);
});

test('what is no text, or too much, is refused by name', async () => {
  const told = { description: 'x'.repeat(2_001), owner: 5, tags: ['a', ''] } as never;
  const faults = await faultsOf([entity('thing', { id: z.string() }, told)]);
  expect(briefly(faults)).toEqual([
    'entity thing description: invalid-about',
    'entity thing owner: invalid-about',
    'entity thing tags: invalid-about',
  ]);
  expect(faults.map(({ message }) => message)).toEqual([
    'expected a text of at most 2000 characters, received 2001 characters',
    'expected a text of at most 200 characters, received 5',
    'expected at most 20 texts of 1 to 50 characters, received a list of 2',
  ]);
});
