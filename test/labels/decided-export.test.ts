import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import type { LabelOptions } from '../../engine/training/label-spine.ts';
import { exportTrainingSet, sizeOfLabelSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { decisions, entity, featureService, featureView, labelSet, outcomes, source } from '../../index.ts';
import { openWorld, publish, type ServedWorld, servingLogTo } from '../as-served/served-fixture.ts';
import { readParquet } from '../training/training-fixture.ts';

const MINUTE_MS = 60_000;
/** 2026-01-01, UTC. */
const T0_MS = 1_767_225_600_000;
const iso = (minutes: number): string => new Date(T0_MS + minutes * MINUTE_MS).toISOString();

const shop = entity('shop', { shop: z.string() });
const sales = source('sales', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string(), amount: z.int() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'sales',
});
const takings = featureView('takings', {
  entity: shop,
  source: sales,
  features: (f) => ({ sold: f.count(), amount: f.sum('amount') }),
});
const model = featureService('model', [takings]);
const visits = featureView('visits', { entity: shop, source: sales, features: (f) => ({ visits: f.count() }) });
const both = featureService('both', [takings, visits]);
const choices = decisions('choices', {
  context: z.object({ country: z.string(), seats: z.int().nullable(), tags: z.array(z.string()) }),
});
const clicks = outcomes('clicks', { value: z.number() });
const clicked = labelSet('clicked', {
  decisions: choices,
  outcomes: clicks,
  value: (_, o) => o.value,
  matureAfter: '1h',
  absent: 'leave-out',
});

let world: ServedWorld;
let definitions: Definitions;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
  definitions = await compileDefinitions(definitionsInMemory([takings, model, visits, both, clicked], '/srv/models'));
  for (const topic of ['sales', 'served', 'millrace.decisions', 'millrace.outcomes'])
    world.broker.createTopic(topic, 2);
  send('sales', 0, { id: '1', at: iso(-10), shop: 'a', amount: 5 });
  send('sales', 0, { id: '2', at: iso(5), shop: 'a', amount: 7 });
  await publish(world, definitions.views.get('takings')!);
  decide('d1', 0, { score: 0.5, model: 'm', model_version: 2, variant: 'candidate', unit: 'u1' });
  decide('d2', 10, { reads: [read('d2', { amount: 12 }, 7)] });
  // By request id alone.
  decide('d3', 11, { reads: [], request_ids: ['r3'] });
  decide('shadow', 11, { acted: false, shadow_of: 'd2', action: 'stop' });
  decide('other', 12, { service: 'another' });
  decide('nothing', 13);
  decide('young', 100);
  for (const [id, decision, minute, value] of [
    ['o1', 'd1', 1, 1],
    ['o2', 'd2', 20, 0],
    ['o3', 'd3', 30, 0.25],
    ['o5', 'young', 101, 1],
  ] as const)
    heard(id, decision, minute, value);
  heard('o4', 'd1', 61, 9);
  const log = servingLogTo(world.broker, 'served');
  const { layout, fingerprint } = definitions.views.get('takings')!;
  log.offer(
    'r3',
    'model',
    [
      {
        view: 'takings',
        version: 1,
        fingerprint,
        keys: layout.keys,
        features: layout.features,
        values: [3, 4],
        errors: null,
        found: true,
        asOfUs: (T0_MS + 11 * MINUTE_MS) * 1000,
        ahead: false,
        seq: 0,
        commitId: null,
      },
    ],
    [['b']],
  );
  await log.close();
}, 180_000);
afterAll(() => world.close());

function send(topic: string, minute: number, json: object, partition = 0): void {
  world.broker.append(topic, partition, [
    { value: Buffer.from(JSON.stringify(json)), timestampUs: (T0_MS + minute * MINUTE_MS) * 1000 },
  ]);
}

function read(_: string, values: object, seq: number | null = 3, more: object = {}): object {
  const { tags } = definitions.views.get('takings')!;
  return {
    request_id: 'r',
    block: 'takings',
    view: 'takings',
    service: 'model',
    version: 1,
    seq,
    as_of: iso(0),
    tags: JSON.stringify(tags!.features),
    keys: '{"shop":"a"}',
    values: JSON.stringify({ sold: 2, ...values }),
    ...more,
  };
}

function decide(id: string, minute: number, more: object = {}): void {
  send('millrace.decisions', minute, {
    decision_id: id,
    decided_at: iso(minute),
    request_ids: [],
    reads: [read(id, { amount: 5 })],
    service: 'model',
    acted: true,
    action: 'go',
    alternatives: [],
    more_alternatives: 0,
    context: { country: 'de', seats: null, tags: ['x'] },
    ...more,
  });
}

function heard(id: string, decision: string, minute: number, value: number): void {
  send('millrace.outcomes', minute, {
    outcome_id: id,
    decision_id: decision,
    name: 'click',
    occurred_at: iso(minute),
    value,
  });
}

const labelled = (more: Partial<LabelOptions> = {}): LabelOptions => ({
  labels: definitions.labelSets.get('clicked')!,
  from: iso(0),
  to: iso(200),
  asOf: iso(120),
  ...more,
});

async function exported(
  name: string,
  more: Partial<TrainingOptions> = {},
): Promise<{ manifest: TrainingManifest; out: string }> {
  const out = join(world.folder, `${name}.parquet`);
  const { pool, folder, reader } = world;
  const manifest = await exportTrainingSet({
    service: definitions.services.get('model')!,
    out,
    mode: 'decided',
    pool,
    archiveDir: null,
    servedTopic: 'served',
    reader,
    spillDir: join(folder, 'spill'),
    clock: { nowUs: () => (T0_MS + 500 * MINUTE_MS) * 1000, monotonicMs: () => performance.now() },
    overwrite: true,
    ...(more.repeatOf === undefined && more.labels === undefined ? { labels: labelled() } : {}),
    ...more,
  });
  return { manifest, out };
}

test('rows are decisions with what they were made of, and what came of them', async () => {
  const { manifest, out } = await exported('decided');
  const { names, types, rows } = await readParquet(out);
  expect(Object.fromEntries(names.map((name, index) => [name, types[index]]))).toEqual({
    decision_id: 'VARCHAR',
    decided_at: 'TIMESTAMP WITH TIME ZONE',
    action: 'VARCHAR',
    score: 'DOUBLE',
    model: 'VARCHAR',
    model_version: 'BIGINT',
    variant: 'VARCHAR',
    unit: 'VARCHAR',
    context__country: 'VARCHAR',
    context__seats: 'BIGINT',
    context__tags: 'VARCHAR',
    label: 'DOUBLE',
    takings__sold: 'BIGINT',
    takings__amount: 'BIGINT',
    takings__seq: 'BIGINT',
    takings__as_of: 'TIMESTAMP WITH TIME ZONE',
  });
  expect(rows.map((row) => [row['decision_id'], row['takings__amount'], row['takings__seq'], row['label']])).toEqual([
    ['d1', 5n, 3n, 1],
    ['d2', 12n, 7n, 0],
    ['d3', 4n, 0n, 0.25],
  ]);
  expect(rows[0]).toMatchObject({
    decided_at: T0_MS * 1000,
    score: 0.5,
    model: 'm',
    model_version: 2n,
    variant: 'candidate',
    unit: 'u1',
    context__country: 'de',
    context__seats: null,
    context__tags: '["x"]',
  });
  expect(manifest).toMatchObject({
    mode: 'decided',
    rows: 3,
    spine: { path: null, timeColumn: null, requestColumn: 'decision_id' },
    labels: {
      labelSet: 'clicked',
      tag: definitions.labelSets.get('clicked')!.tag,
      from: '2026-01-01T00:00:00.000000Z',
      asOf: '2026-01-01T02:00:00.000000Z',
      shadows: false,
      counts: { decisions: 5, mature: 4, immature: 1, leftOut: 1, labelled: 3, afterMaturity: 1, invalid: 0 },
    },
    cuts: { millrace_served: { partitions: [expect.anything(), expect.anything()] } },
  });
  expect(JSON.parse(await readFile(`${out}.manifest.json`, 'utf8'))).toEqual(manifest);
}, 120_000);

test('later it has the same rows and the newly mature ones, and by its manifest it is the same bytes', async () => {
  const first = await exported('first');
  const later = await exported('later', { labels: labelled({ asOf: iso(160) }) });
  const rows = (await readParquet(later.out)).rows;
  expect(rows.map((row) => row['decision_id'])).toEqual(['d1', 'd2', 'd3', 'young']);
  expect(rows.slice(0, 3)).toEqual((await readParquet(first.out)).rows);
  decide('d0', 3);
  heard('late', 'd0', 4, 5);
  const again = await exported('again', { repeatOf: first.manifest, labels: labelled() });
  expect(again.manifest.sha256).toBe(first.manifest.sha256);
  expect(await readFile(again.out)).toEqual(await readFile(first.out));
  expect((await exported('now')).manifest.rows).toBe(4);
  await expect(
    exported('changed', { repeatOf: first.manifest, labels: labelled({ variant: 'candidate' }) }),
  ).rejects.toMatchObject({ code: 'training-set-changed', message: expect.stringMatching(/of variant candidate/) });
}, 120_000);

test('shadows, one model, one variant, and other services are told apart', async () => {
  const ids = async (more: Partial<LabelOptions>): Promise<unknown[]> => {
    const { out } = await exported('filtered', { labels: labelled({ to: iso(12), ...more }) });
    return (await readParquet(out)).rows.map((row) => row['decision_id']);
  };
  expect(await ids({ variant: 'candidate' })).toEqual(['d1']);
  expect(await ids({ model: 'm' })).toEqual(['d1']);
  expect(await ids({ shadows: true, from: iso(10) })).toEqual(['d2', 'd3', 'shadow']);
  await expect(ids({ model: 'nobody' })).rejects.toMatchObject({
    code: 'no-mature-labels',
    message: expect.stringMatching(/of 0 decisions .* none has a label/),
  });
}, 120_000);

test('by event time and as served, rows are the entities that were read, at the times of the decisions', async () => {
  for (const mode of ['event-time', 'as-served'] as const) {
    const { manifest, out } = await exported(mode, { mode, labels: labelled({ to: iso(11) }) });
    const { names, rows } = await readParquet(out);
    expect(names.slice(0, 3)).toEqual(['decision_id', 'decided_at', 'shop']);
    expect(manifest.spine.timeColumn).toBe('decided_at');
    if (mode === 'event-time')
      expect(rows.map((row) => [row['decision_id'], row['takings__amount'], row['label']])).toContainEqual([
        'd2',
        12n,
        0,
      ]);
    const again = await exported(`${mode}-again`, { mode, repeatOf: manifest, labels: labelled({ to: iso(11) }) });
    expect(again.manifest.sha256).toBe(manifest.sha256);
  }
}, 120_000);

test('a set of decisions is sampled by decision, and divided by their times', async () => {
  const { manifest, out } = await exported('divided', { split: 0.5, labels: labelled({ asOf: iso(160) }) });
  const { train, test: later } = manifest.split!;
  expect(train.rows + later.rows).toBe(manifest.rows);
  const file = (name: string) => readParquet(join(world.folder, name));
  const [before, after] = [await file(train.file), await file(later.file)];
  expect(Math.max(...before.rows.map((row) => Number(row['decided_at'])))).toBeLessThan(
    Math.min(...after.rows.map((row) => Number(row['decided_at']))),
  );
  expect(out).toMatch(/divided/);
  const sampled = await exported('sampled', { sample: 0.7, labels: labelled({ asOf: iso(160) }) });
  expect(sampled.manifest.sample).toMatchObject({ fraction: 0.7, by: ['decision_id'], ofRows: manifest.rows });
}, 120_000);

test('features that meant something else then are named, or null and counted', async () => {
  const { tags } = definitions.views.get('takings')!;
  const other = JSON.stringify({ ...tags!.features, amount: 'another' });
  decide('changed', 150, { reads: [read('changed', { amount: 99 }, 3, { tags: other })] });
  heard('o9', 'changed', 151, 1);
  const options = { labels: labelled({ from: iso(140), asOf: iso(400) }) };
  await expect(exported('other', options)).rejects.toMatchObject({
    code: 'served-by-other-definition',
    message: expect.stringMatching(/"changed".*"amount"/),
  });
  const { manifest, out } = await exported('other', { ...options, missing: 'null' });
  expect((await readParquet(out)).rows[0]).toMatchObject({ takings__sold: 2n, takings__amount: null, label: 1 });
  expect(manifest.views[0]!.logged!.notServed).toEqual([{ feature: 'amount', otherDefinition: 1, notAsked: 0 }]);
}, 120_000);

test('a read of before there were tags is of its definition, and one of another service goes behind the own', async () => {
  decide('old', 160, { reads: [read('old', { amount: 3 }, 3, { tags: '{"sold":null,"amount":null}' })] });
  decide('shared', 161, {
    reads: [read('shared', { amount: 1 }, 3, { service: 'another' }), read('shared', { amount: 2 })],
  });
  heard('o11', 'old', 162, 1);
  heard('o12', 'shared', 162, 1);
  const { out } = await exported('old', { labels: labelled({ from: iso(160), asOf: iso(400) }) });
  const { rows } = await readParquet(out);
  expect(rows.map((row) => [row['decision_id'], row['takings__amount']])).toEqual([
    ['old', 3n],
    ['shared', 2n],
  ]);
}, 120_000);

test('a decision that carries a part, and names the request of the rest, has both', async () => {
  const tags = JSON.stringify(definitions.views.get('visits')!.tags!.features);
  const values = '{"visits":9}';
  const carried = read('mixed', {}, 3, { block: 'visits', view: 'visits', service: 'both', tags, values });
  decide('mixed', 210, { service: 'both', reads: [carried], request_ids: ['r3'] });
  heard('o13', 'mixed', 211, 1);
  const { out } = await exported('mixed', {
    service: definitions.services.get('both')!,
    labels: labelled({ from: iso(210), to: iso(220), asOf: iso(400) }),
  });
  expect((await readParquet(out)).rows).toMatchObject([{ takings__amount: 4n, visits__visits: 9n }]);
}, 120_000);

test('times that are none, and a mode that other rows cannot have, are refused', async () => {
  await expect(exported('bad', { labels: labelled({ from: 'soon', to: iso(0) }) })).rejects.toMatchObject({
    code: 'bad-label-times',
    message: expect.stringMatching(/from/),
  });
  await expect(exported('bad', { labels: labelled({ from: iso(5), to: iso(5) }) })).rejects.toMatchObject({
    code: 'bad-label-times',
    message: expect.stringMatching(/not before/),
  });
  await expect(exported('bad', { reader: null })).rejects.toMatchObject({ code: 'labels-need-topics' });
  decide('lost', 300, { reads: [], request_ids: ['never'] });
  heard('o10', 'lost', 301, 1);
  const lost = { labels: labelled({ from: iso(290), to: iso(310), asOf: iso(400) }) };
  await expect(exported('bad', lost)).rejects.toMatchObject({ code: 'request-not-logged' });
  await expect(exported('bad', { ...lost, servedTopic: null })).rejects.toMatchObject({ code: 'serving-log-missing' });
}, 120_000);

test('what it would come to is told without writing anything', async () => {
  const { pool, folder, reader } = world;
  const told = await sizeOfLabelSet({
    service: definitions.services.get('model')!,
    labels: labelled({ to: iso(2) }),
    mode: 'decided',
    pool,
    reader,
    spillDir: join(folder, 'spill'),
    clock: { nowUs: () => (T0_MS + 500 * MINUTE_MS) * 1000, monotonicMs: () => performance.now() },
  });
  expect(told).toMatchObject({ labelSet: 'clicked', counts: { decisions: 1, labelled: 1 } });
}, 60_000);
