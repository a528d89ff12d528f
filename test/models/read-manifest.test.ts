import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readManifest, readModelMetrics } from '../../engine/models/read-manifest.ts';
import { modelBaseline } from '../../engine/monitors/model-baseline.ts';
import { MemoryLog } from './memory-log.ts';
import { manifestOf, type ModelWorld, openModelWorld, TAGS } from './model-world.ts';

let world: ModelWorld;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

async function written(content: unknown): Promise<string> {
  const path = `${world.folder}/${randomUUID()}.json`;
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}
const text = (part: string): string => expect.stringContaining(part) as string;

describe('a manifest', () => {
  it('says what a model was trained on: features and tags, request, labels, cuts and hashes', async () => {
    const derived = {
      tag: '00000000000000dd',
      request: ['seats'],
      requestTypes: [{ kind: 'int' }],
      features: [{ name: 'busy', column: 'delay_model__busy', type: { kind: 'double' }, nulls: 0, nullRate: 0 }],
    };
    const spine = { sha256: 'ab', timeColumn: 'at', columns: ['origin', 'destination', 'at', 'seats', 'late'] };
    const read = await readManifest(await written(manifestOf(TAGS, { derived, spine })));
    expect(read).toMatchObject({
      service: 'delay_model',
      features: { route_delays: TAGS },
      derived: '00000000000000dd',
      signature: {
        request: [{ name: 'seats', type: { kind: 'int' } }],
        features: [
          {
            block: 'route_delays',
            feature: 'flights_1d',
            column: 'route_delays__flights_1d',
            type: { kind: 'double' },
          },
          { block: 'route_delays', feature: 'delay_avg_7d' },
          { block: 'delay_model', feature: 'busy' },
        ],
      },
      lineage: {
        rows: 10,
        mode: 'event-time',
        labels: ['late'],
        spine: 'ab',
        fingerprints: { route_delays: 'f1' },
        cuts: { flights: null },
      },
    });
  });

  it('that is none is refused by name, and by where it is wrong', async () => {
    const refused = async (content: unknown, part: string): Promise<void> => {
      await expect(readManifest(await written(content))).rejects.toMatchObject({
        code: 'invalid-manifest',
        message: text(part),
      });
    };
    await refused('{', 'it is no JSON');
    await refused([], 'expected an object');
    await refused({}, 'it has no format');
    await refused(manifestOf(TAGS, { format: 2 }), 'format: expected 1, received 2');
    await refused(manifestOf(TAGS, { views: 1 }), 'views: expected a list');
    await refused(manifestOf(TAGS, { views: [{ view: 1 }] }), 'views[0].view: expected a text, received 1');
    await refused(manifestOf({ a: 'x' }), 'views[0].features[0].tag: expected 16 hex digits');
    await refused(' '.repeat(5 * 2 ** 20), 'characters; at most');
    await expect(readManifest('/nowhere.json')).rejects.toMatchObject({
      code: 'invalid-manifest',
      message: text('ENOENT'),
    });
  });

  it('of another service is refused; without tags, those of the version with its fingerprint count', async () => {
    const log = new MemoryLog();
    await expect(world.publish(log, Buffer.from('x'), { model: 'late', service: 'other' })).rejects.toMatchObject({
      code: 'invalid-manifest',
      message: text('is of service "delay_model"'),
    });
    const untagged = JSON.stringify(manifestOf()).replaceAll(/"tag":"[0-9a-f]+",/g, '');
    const trainedOn = await readManifest(await written(untagged));
    const { version } = await world.publish(log, Buffer.from('x'), { model: 'late', trainedOn });
    expect(version.features).toEqual({ route_delays: TAGS });
    const unknown = await readManifest(await written(untagged.replace('"f1"', '"f2"')));
    await expect(world.publish(log, Buffer.from('y'), { model: 'late', trainedOn: unknown })).rejects.toMatchObject({
      code: 'invalid-manifest',
      message: text('the manifest has no tag'),
    });
  });
});

describe('the baseline of a manifest', () => {
  const baseline = {
    rows: 10,
    sketchBits: 6,
    features: {
      route_delays__flights_1d: { nulls: 1, sum: 3, squares: 5, zeros: 7, bins: '3264:1 64:1', distinct: 2 },
    },
  };

  it('is kept with the versions that are trained on it', async () => {
    const log = new MemoryLog();
    const trainedOn = await readManifest(await written(manifestOf(TAGS, { baseline })));
    const { version } = await world.publish(log, Buffer.from('b'), { model: 'watched', trainedOn });
    const kept = await modelBaseline(world.pool, version);
    expect([...kept!.keys()]).toEqual(['route_delays__flights_1d']);
    expect(kept!.get('route_delays__flights_1d')).toEqual({
      count: 10,
      values: {
        nulls: 1,
        numbers: { sum: 3, squares: 5, zeros: 7 },
        bins: new Map([
          [3264, 1],
          [3328, 1],
        ]),
        top: null,
        distinct: 2,
      },
    });
    const before = await readManifest(await written(manifestOf(TAGS)));
    const { version: without } = await world.publish(log, Buffer.from('c'), { model: 'watched', trainedOn: before });
    expect(await modelBaseline(world.pool, without)).toBeNull();
  });

  it('that is none is refused', async () => {
    for (const wrong of [[], 'x', { rows: 1 }, { ...baseline, features: { a: { nulls: '1' } } }])
      await expect(readManifest(await written(manifestOf(TAGS, { baseline: wrong })))).rejects.toMatchObject({
        code: 'invalid-manifest',
        message: text('baseline: expected the baseline that an export writes'),
      });
  });
});

describe('metrics', () => {
  it('are one object of numbers and texts', async () => {
    expect(await readModelMetrics(await written({ logLoss: 0.4, data: 'May' }))).toEqual({ logLoss: 0.4, data: 'May' });
    for (const content of ['[]', '{', '{"a": {}}', '{"a": [1]}', '3'])
      await expect(readModelMetrics(await written(content))).rejects.toMatchObject({ code: 'invalid-model-metrics' });
  });
});
