import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import type { Feature } from '../../engine/define/feature.ts';
import type { FeatureBuilder } from '../../engine/define/feature-builder.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { type HistoryOptions, type Source, source } from '../../engine/define/source.ts';
import { briefly, faultsOf } from './faults.ts';

const schema = z.object({ id: z.string(), at: z.iso.datetime(), country: z.string(), tags: z.array(z.string()) });
// A plain object: faults of type are what the compiler is to refuse by name.
const of = (history: unknown) =>
  source('s', { schema, eventTime: 'at', history: history as HistoryOptions<'country'> });

type MembersOf<Of> = Of extends Source<string, infer Members> ? Members : never;

test('how a history is read is compiled, with presets', async () => {
  const { sources } = await compileDefinitions(
    definitionsInMemory(
      [of({ path: 'a/*.csv', partitions: ['country'], csv: { delimiter: ';', decimal: ',' } })],
      '/srv',
    ),
  );
  expect(sources.get('s')?.history).toMatchObject({
    partitions: ['country'],
    csv: { delimiter: ';', decimal: ',' },
  });
  const plain = await compileDefinitions(definitionsInMemory([of({ path: 'a/*.csv' })], '/srv'));
  expect(plain.sources.get('s')?.history).toMatchObject({ partitions: [], csv: { delimiter: ',', decimal: '.' } });
});

test('what cannot be read so is refused', async () => {
  const path = 'a.csv';
  const cases: [unknown, string][] = [
    [{ path, partitions: ['land'] }, 'source s history.partitions: unknown-field'],
    [{ path, partitions: ['tags'] }, 'source s history.partitions: wrong-field-type'],
    [{ path, partitions: ['country', 'country'] }, 'source s history.partitions: invalid-history'],
    [{ path, partitions: 'country' }, 'source s history.partitions: invalid-history'],
    [{ path, csv: { delimiter: '::' } }, 'source s history.csv.delimiter: invalid-csv-dialect'],
    [{ path, csv: { delimiter: '"' } }, 'source s history.csv.delimiter: invalid-csv-dialect'],
    [{ path, csv: { delimiter: '.' } }, 'source s history.csv.delimiter: invalid-csv-dialect'],
    [{ path, csv: { delimiter: 'x' } }, 'source s history.csv.delimiter: invalid-csv-dialect'],
    [{ path, csv: { decimal: ';' } }, 'source s history.csv.decimal: invalid-csv-dialect'],
    [{ path, csv: { decimal: ',' } }, 'source s history.csv: invalid-csv-dialect'],
  ];
  for (const [history, fault] of cases) expect(briefly(await faultsOf([of(history)]))).toEqual([fault]);
});

test('a fingerprint counts how a history is read', async () => {
  const shop = entity('shop', { id: z.string() });
  const fingerprintOf = async (history: unknown): Promise<string> => {
    const view = featureView('v', { entity: shop, source: of(history), features: (f) => ({ n: f.count() }) });
    return (await compileDefinitions(definitionsInMemory([view], '/srv'))).views.get('v')!.fingerprint;
  };
  const plain = await fingerprintOf({ path: 'a.csv' });
  expect(await fingerprintOf({ path: 'a.csv', csv: { delimiter: ',' }, partitions: [] })).toBe(plain);
  expect(await fingerprintOf({ path: 'a.csv', csv: { delimiter: ';' } })).not.toBe(plain);
  expect(await fingerprintOf({ path: 'a.csv', partitions: ['country'] })).not.toBe(plain);
});

test('names of fields that differ only in case are refused, nested ones too', async () => {
  const alike = source('s', {
    schema: z.object({
      at: z.iso.datetime(),
      id: z.string(),
      ID: z.int(),
      o: z.array(z.object({ a: z.int(), A: z.int() })),
    }),
    eventTime: 'at',
    topic: 't',
  });
  expect(briefly(await faultsOf([alike]))).toEqual(['source s schema: names-alike', 'source s schema.o: names-alike']);
});

test('what a state or a SQL view cannot hold is refused, with the limit', async () => {
  const shop = entity('shop', { id: z.string() });
  const plain = of({ path: 'a.csv' });
  const view = (features: (f: FeatureBuilder<MembersOf<typeof plain>>) => Record<string, Feature>) =>
    featureView('v', { entity: shop, source: plain, features });
  const fine = view((f) => ({ n: f.count().over('20000s', { hop: '2s' }) }));
  expect(await faultsOf([fine])).toEqual([]);
  const tiles = await faultsOf([view((f) => ({ n: f.count().over('365d', { hop: '1s' }) }))]);
  expect(briefly(tiles)).toEqual(['feature view v features.n.over: too-many-tiles']);
  expect(tiles[0]?.message).toContain('31536001 tiles');
  const wide = (count: number) =>
    view((f) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`n${n}`, f.count()])));
  expect(await faultsOf([wide(1596)])).toEqual([]);
  const columns = await faultsOf([wide(1597)]);
  expect(briefly(columns)).toEqual(['feature view v features: too-many-features']);
  expect(columns[0]?.message).toContain('at most 1596');
  const system = await faultsOf([view((f) => ({ xmin: f.count() }))]);
  expect(briefly(system)).toEqual(['feature view v features.xmin: reserved-name']);
});
