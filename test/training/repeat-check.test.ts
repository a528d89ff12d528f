/** A set of requests is made again of columns of the same names and types alone: of others nothing that was logged is. */
import { entity, featureService, featureView, source } from 'millrace';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { emptyCounts } from '../../engine/admission/log-counts.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import { derivedColumns, requestColumns } from '../../engine/training/feature-columns.ts';
import { checkRepeatable } from '../../engine/training/repeat-check.ts';
import type { ManifestFeature, TrainingManifest } from '../../engine/training/training-types.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';

const landings = source('landings', {
  schema: z.object({ at: z.iso.datetime(), airport: z.string() }),
  eventTime: 'at',
  topic: 'landings',
});
const traffic = featureView('traffic', {
  entity: entity('airport', { airport: z.string() }),
  source: landings,
  features: (f) => ({ n: f.count() }),
});
const model = featureService('model', {
  views: [traffic],
  request: z.object({ seats: z.int(), class: z.enum(['first', 'second']) }),
  derived: (d) => ({ load: d.number(({ traffic: { n } }, { request }) => n / request.seats) }),
});
const service = (await compileDefinitions(definitionsInMemory([traffic, model], '/'))).services.get('model')!;

const spine = { sha256: 'abc', timeColumn: null, requestColumn: 'id', timeZone: null, timeAt: null, sample: null };
const features = (of: CompiledService): ManifestFeature[] =>
  derivedColumns(of).map(({ feature, column }) => ({
    name: feature.name,
    column,
    type: feature.result,
    nulls: 0,
    nullRate: 0,
  }));
const { view } = service.blocks[0]!;
const manifest: TrainingManifest = {
  format: 1,
  millrace: '',
  semantics: ENGINE_SEMANTICS,
  mode: 'as-served',
  service: 'model',
  rows: 1,
  sha256: 'def',
  sizeBytes: 1,
  spine: { ...spine, path: '', sizeBytes: 1, requestColumn: 'id', columns: ['id'] },
  views: [
    {
      view: 'traffic',
      fingerprint: view.fingerprint,
      entity: 'airport',
      keys: ['airport'],
      source: 'landings',
      counts: emptyCounts(),
      rowsWithoutState: 0,
      features: [],
    },
  ],
  derived: {
    request: requestColumns(service).map(({ column }) => column),
    requestTypes: requestColumns(service).map(({ feature }) => feature.result),
    features: features(service),
  },
  sources: [],
  cuts: {},
};
const repeat =
  (of: CompiledService, then = manifest) =>
  (): void =>
    checkRepeatable(then, of, { ...spine, grid: null }, 'as-served', null);

test('the same columns are made again, and those of other types are not', () => {
  expect(repeat(service)).not.toThrow();
  const refused = (what: string): object =>
    expect.objectContaining({
      code: 'training-set-changed',
      message: expect.stringContaining(what) as string,
    }) as object;
  const derived = service.derived!.map((plan) => ({ ...plan, type: { kind: 'string' as const } }));
  expect(repeat({ ...service, derived })).toThrow(
    refused(
      'then model__load (double), request__class (enum of first, second), request__seats (int), now model__load (string),',
    ),
  );
  const [seats, rank] = service.request!;
  const asked = (...request: NonNullable<CompiledService['request']>): CompiledService => ({ ...service, request });
  const double = asked({ ...seats!, spec: { ...seats!.spec, type: { kind: 'double' } } }, rank!);
  expect(repeat(double)).toThrow(refused('request__seats (double)'));
  const other = { kind: 'enum' as const, values: ['first'] };
  expect(repeat(asked(seats!, { ...rank!, spec: { ...rank!.spec, type: other } }))).toThrow(
    refused('(enum of first),'),
  );
  expect(repeat(asked(seats!))).toThrow(refused('columns of the service itself: then '));
  // A manifest from before it said the types of what was asked.
  const { requestTypes: _, ...untyped } = manifest.derived!;
  expect(repeat(double, { ...manifest, derived: untyped })).not.toThrow();
});
