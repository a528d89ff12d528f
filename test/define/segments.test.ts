import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { decisions, entity, featureService, featureView, outcomes, source } from '../../index.ts';

const schema = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  origin: z.string(),
  delay: z.int().nullable(),
  weight: z.number(),
  email: z.string(),
});
const base = { schema, eventTime: 'at', eventId: 'id', topic: 'flights', sensitive: ['email'] } as const;
const airport = entity('airport', { origin: z.string() });

async function compile(...definitions: unknown[]) {
  return compileDefinitions(definitionsInMemory(definitions as never, '/srv/models'));
}

async function faultsOf(...definitions: unknown[]): Promise<string[]> {
  const error = await compile(...definitions).then(
    () => null,
    (reason: unknown) => reason as { details: { faults: { code: string; path: string; message: string }[] } },
  );
  return (error?.details.faults ?? []).map(({ code, path, message }) => `${code} ${path}: ${message}`).toSorted();
}

test('a source, decisions, outcomes, a view and a service have segments', async () => {
  const flights = source('flights', {
    ...base,
    segments: ['origin', { name: 'late', of: (row) => (row.delay === null ? null : String(row.delay > 15)) }],
    monitors: { budgetBytes: 1 << 21 },
  });
  const delays = featureView('delays', {
    entity: airport,
    source: flights,
    segments: ['origin'],
    features: (f) => ({ n: f.count() }),
  });
  const model = featureService('model', { views: [delays], segments: ['origin'] });
  const taken = decisions('taken', {
    context: z.object({ origin: z.string() }),
    segments: ['action', { name: 'origin', of: (d) => d.context.origin }],
  });
  const clicks = outcomes('clicks', { value: z.boolean(), segments: ['value'], monitors: false });
  const { sources, views, services } = await compile(flights, airport, delays, model, taken, clicks);
  const row = { origin: 'AMS', delay: 16 };
  expect(sources.get('flights')!.segments!.map(({ name, of }) => [name, of(row)])).toEqual([
    ['origin', 'AMS'],
    ['late', 'true'],
  ]);
  expect(sources.get('flights')!.monitorBytes).toBe(1 << 21);
  expect(sources.get('taken')!.segments!.map(({ name }) => name)).toEqual(['action', 'origin']);
  expect(sources.get('clicks')!.segments!.map(({ name }) => name)).toEqual(['value']);
  expect(sources.get('clicks')!.monitorBytes).toBe(0);
  expect(views.get('delays')!.segments).toEqual(['origin']);
  expect(services.get('model')!.segments).toEqual(['origin']);
});

test('what cannot tell records apart is refused by name', async () => {
  const withSegments = (segments: unknown) => faultsOf(source('flights', { ...base, segments } as never));
  expect(await withSegments(['carrier'])).toEqual(['unknown-field segments[0]: no field "carrier" in the schema']);
  expect(await withSegments(['origin', { name: 'origin', of: () => 'x' }])).toEqual([
    'invalid-segment segments[1]: has "origin" twice',
  ]);
  expect(await withSegments([{ name: 'partition', of: () => 'x' }])).toEqual([
    'invalid-segment segments[0]: "partition" is taken: every record has that segment',
  ]);
  expect(
    await withSegments(['weight', 'id', 'email', { name: 'no' }, 7, { name: 'Not Snake', of: () => 'x' }]),
  ).toEqual([
    'invalid-segment segments[0]: field "weight" is double, and a segment has few values',
    'invalid-segment segments[1]: field "id" is the event\'s id: no two records share a value',
    'invalid-segment segments[2]: field "email" is sensitive, and the values of segments are shown',
    'invalid-segment segments[3]: "no" has no function `of`',
    'invalid-segment segments[4]: expected a field, received 7',
    expect.stringMatching(/^invalid-segment segments\[5\]: /),
  ]);
  const many = Array.from({ length: 9 }, (_, index) => ({ name: `s${index}`, of: () => 'x' }));
  expect(await withSegments(many)).toEqual([
    'invalid-segment segments: there are 9, and each is counted beside the whole: expected at most 8',
  ]);
  expect(await withSegments(many.slice(1))).toEqual([]);
  expect(await withSegments('origin')).toEqual(['invalid-segment segments: expected a list, received "origin"']);
  for (const monitors of [true, { budgetBytes: 10 }, null])
    expect(await faultsOf(source('flights', { ...base, monitors } as never))).toEqual([
      expect.stringContaining('invalid-monitors monitors: expected false, or { budgetBytes }'),
    ]);
});

test('of a view and a service they are parts of the key', async () => {
  const flights = source('flights', base);
  const features = (f: { count(): never }) => ({ n: f.count() });
  const view = (segments: unknown) =>
    featureView('delays', { entity: airport, source: flights, segments, features } as never);
  expect(await faultsOf(flights, airport, view(['delay']))).toEqual([
    'unknown-field segments[0]: "delay" is no part of the key',
  ]);
  expect(await faultsOf(flights, airport, view([{ name: 'x', of: () => 'y' }]))).toEqual([
    'invalid-segment segments[0]: "x" is a function',
  ]);
  const plain = view(undefined);
  const service = featureService('model', [plain.as('from', { origin: 'start' })], { segments: ['origin'] });
  expect(await faultsOf(flights, airport, plain, service)).toEqual([
    'unknown-field segments[0]: "origin" is no part of the key',
  ]);
});
