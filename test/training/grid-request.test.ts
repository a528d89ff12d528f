/** Rows that are made of entities and times, of a service that asks for a request. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entity, featureService, featureView, source } from 'millrace';
import { beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { exportTrainingSet, sizeOfTrainingSet } from '../../engine/training/export-training-set.ts';
import type { GridOptions } from '../../engine/training/grid.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { readParquet, testFolder } from './training-fixture.ts';

const TIMES: Pick<GridOptions, 'every' | 'from' | 'to'> = { every: '1d', from: '2001-01-02', to: '2001-01-04' };

let folder: string;
let service: CompiledService;
beforeEach(async () => {
  folder = await testFolder();
  const landings = ['LAS', 'LAS', 'PHL'].map((airport, n) => ({ at: `2001-01-0${n + 1}T12:00:00Z`, airport }));
  await writeFile(join(folder, 'landings.jsonl'), landings.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const traffic = featureView('traffic', {
    entity: entity('airport', { airport: z.string() }),
    source: source('landings', {
      schema: z.object({ at: z.iso.datetime(), airport: z.string() }),
      eventTime: 'at',
      history: { path: 'landings.jsonl' },
    }),
    features: (f) => ({ n: f.count() }),
  });
  const model = featureService('model', {
    views: [traffic],
    request: z.object({ seats: z.int().min(1), note: z.string().optional() }),
    derived: (d) => ({
      seats_a_landing: d.number(({ traffic: own }, { request }) => (own.n === 0 ? null : request.seats / own.n)),
      day: d.int((_, { at }) => new Date(at / 1000).getUTCDate()),
      told: d.string((_, { request }) => request.note),
    }),
  });
  const { services } = await compileDefinitions(definitionsInMemory([traffic, model], folder));
  service = services.get('model')!;
});

const out = (): string => join(folder, 'set.parquet');
const common = () => ({
  service,
  mode: 'event-time' as const,
  reader: null,
  spillDir: join(folder, 'spill'),
  clock: systemClock,
});
const exported = (grid: GridOptions, more: Partial<TrainingOptions> = {}): Promise<TrainingManifest> =>
  exportTrainingSet({ ...common(), grid, out: out(), overwrite: true, ...more });

async function entitiesFile(...lines: readonly string[]): Promise<string> {
  const path = join(folder, 'entities.csv');
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

test('a file of entities has the request of each, at all of its times', async () => {
  const entities = await entitiesFile('airport,seats,note', 'LAS,180,big', 'PHL,90,', 'nowhere,1,');
  const manifest = await exported({ entities, ...TIMES });
  const { rows } = await readParquet(out());
  expect(
    rows.map((row) => [
      row['airport'],
      Number(row['seats']),
      row['model__seats_a_landing'],
      Number(row['model__day']),
      row['model__told'],
    ]),
  ).toEqual([
    ['LAS', 180, 180, 2, 'big'],
    ['PHL', 90, null, 2, null],
    ['nowhere', 1, null, 2, null],
    ['LAS', 180, 90, 3, 'big'],
    ['PHL', 90, null, 3, null],
    ['nowhere', 1, null, 3, null],
  ]);
  expect(manifest.derived).toMatchObject({ request: ['seats', 'note'] });
  const again = await exported({ entities, ...TIMES }, { repeatOf: manifest });
  expect(again.sha256).toBe(manifest.sha256);
  expect(await sizeOfTrainingSet({ ...common(), grid: { entities, ...TIMES } })).toMatchObject({
    rows: 6,
    entities: 3,
  });
});

test('what a file of entities lacks or has wrong is named; a field that may be left out is not missed', async () => {
  const grid = async (...lines: string[]): Promise<GridOptions> => ({
    entities: await entitiesFile(...lines),
    ...TIMES,
  });
  await expect(exported(await grid('airport', 'LAS'))).rejects.toMatchObject({
    code: 'spine-column-missing',
    message: expect.stringContaining('no column "seats" (a value of the request); it has: airport') as string,
  });
  await expect(exported(await grid('airport,seats', 'LAS,180', 'PHL,0'))).rejects.toMatchObject({
    code: 'spine-bad-request',
    message: expect.stringMatching(/"seats" \(a value of the request\), row 2/) as string,
  });
  await exported(await grid('airport,seats', 'LAS,180'));
  const { rows } = await readParquet(out());
  expect(rows.map((row) => row['model__told'])).toEqual([null, null]);
});

test('the entities of a view have no request: what would have to be given is named, with the way out', async () => {
  const grid = { entitiesOf: service.blocks[0]!, ...TIMES };
  const refusal = {
    code: 'spine-column-missing',
    message: expect.stringMatching(
      /entities of view "traffic".*no column "seats" \(a value of the request\)/,
    ) as string,
    remedy: expect.stringContaining('--entities FILE') as string,
  };
  await expect(exported(grid)).rejects.toMatchObject(refusal);
  await expect(sizeOfTrainingSet({ ...common(), grid })).rejects.toMatchObject(refusal);
  // Of the views alone there is nothing to ask for.
  await exported(grid, { service: { name: 'model', blocks: service.blocks } });
  const optional = service.request!.map((plan) => ({ ...plan, spec: { ...plan.spec, optional: true } }));
  await exported(grid, { service: { ...service, request: optional }, onError: 'null' });
  const { rows } = await readParquet(out());
  expect(rows.map((row) => [row['airport'], Number(row['model__day'])])).toEqual([
    ['LAS', 2],
    ['LAS', 3],
  ]);
});
