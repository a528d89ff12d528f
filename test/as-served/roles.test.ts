import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import type { RecordToWrite } from '../../engine/topic/log-writer.ts';
import { carriedJson } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { ResultType } from '../../engine/values/result-type.ts';
import type { FeaturesRequest, FeaturesResponse } from '../../serving/api-schemas.ts';
import { readRequest } from '../../serving/read-request.ts';
import { randomLog } from '../stream/random-log.ts';
import { testClock } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import { expectedCell, readParquet } from '../training/training-fixture.ts';
import { exportSpine, HOUR, isoOf, openWorld, publish, type ServedWorld, stream } from './served-fixture.ts';

let world: ServedWorld;
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

const seed = Date.now() % 2 ** 31;
let runs = 0;

/** A view that is served plain and in two roles, read as the API reads it; every read is logged in memory. */
async function openServed(partitions: number) {
  const run = ++runs;
  const topic = `purchases-${run}`;
  const servedTopic = `served-${run}`;
  world.broker.createTopic(topic, partitions);
  world.broker.createTopic(servedTopic, 2);
  const made = spendingView({ topic, source: { invalidLimit: { rate: 1, window: 1000 } } });
  const view = { ...made, name: `spending_${run}`, layout: { ...made.layout, view: `spending_${run}` } };
  const blocks = [
    blockOf(view),
    blockOf(view, 'giver', { customer: 'giver' }),
    blockOf(view, 'taker', { customer: 'taker' }),
  ];
  const send = async (to: string, records: readonly RecordToWrite[]): Promise<void> => {
    for (const { key, value, timestampMs } of records)
      world.broker.append(to, (key?.at(-1) ?? 0) % 2, [{ key, value, timestampUs: timestampMs * 1000 }]);
  };
  const servingLog = new ServingLog({
    writer: { send, close: async () => {} },
    topic: servedTopic,
    clock: testClock,
    logId: `log-${run}`,
    sample: 1,
  });
  const store = createOnlineStore({ pool: world.pool, clock: testClock });
  const looked: number[] = [];
  const read = (requestId: string, request: FeaturesRequest): Promise<FeaturesResponse> =>
    readRequest(request, {
      store,
      services: new Map([
        ['model', { blocks }],
        ['other', { blocks: [blockOf(view, 'giver', { customer: 'buyer' })] }],
      ]),
      mayRead: () => true,
      onLookUps: () => {},
      nowUs: () => testClock.nowUs(),
      onReads: (_, reads) => looked.push(reads.length),
      onDerived: () => {},
      onDerivedFailed: undefined,
      requestId,
      servingLog,
    });
  return { view, topic, servedTopic, servingLog, service: { name: 'model', blocks }, looked, read };
}

const CUSTOMERS = ['ana', 'bo', 'c\u{1F600}', '', 'nobody'] as const;
const customer = fc.constantFrom(...CUSTOMERS);

test(`each role gets what it was answered, whoever stands in the others (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      randomLog(50),
      fc.array(
        fc.record({
          entities: fc.array(fc.record({ customer, giver: customer, taker: customer }), { minLength: 1, maxLength: 3 }),
          hour: fc.integer({ min: -60, max: 60 }),
        }),
        { minLength: 1, maxLength: 30 },
      ),
      async (log, requests) => {
        const { view, topic, servedTopic, servingLog, service, looked, read } = await openServed(log.partitions);
        const append = (steps: typeof log.steps): void => {
          for (const step of steps) {
            if ('control' in step) world.broker.appendControl(topic, step.partition, step.control);
            else world.broker.append(topic, step.partition, [step.record]);
          }
        };
        const startUs = log.steps.find((step) => 'record' in step)?.record.timestampUs ?? 0;
        const half = log.steps.length >> 1;
        append(log.steps.slice(0, half));
        const version = await publish(world, view);
        const answered: {
          requestId: string;
          entity: Record<string, string>;
          answer: FeaturesResponse['results'][number];
        }[] = [];
        for (const [n, { entities, hour }] of requests.entries()) {
          if (n === requests.length >> 1) {
            append(log.steps.slice(half));
            await stream(world, view, version, 5);
          }
          const requestId = `request-${n}`;
          const at = isoOf(startUs + hour * HOUR);
          const { results } = await read(requestId, { service: 'model', entities, at });
          // One look-up for all of them, of each customer once.
          expect(looked.splice(0)).toEqual([new Set(entities.flatMap((entity) => Object.values(entity))).size]);
          for (const [index, answer] of results.entries()) {
            const entity = entities[index]!;
            expect(Object.keys(answer.views)).toEqual([view.name, 'giver', 'taker']);
            const { giver, taker, [view.name]: plain } = answer.views;
            if (entity.giver === entity.taker) expect(giver).toEqual(taker);
            if (entity.customer === entity.giver) expect(giver).toEqual(plain);
            answered.push({ requestId, entity, answer });
          }
        }
        await servingLog.close();
        expect(servingLog.figures.logged).toBe(answered.length * 3);

        const options = { service, servedTopic, onError: 'null' } as const;
        const keyed = answered.map(({ requestId, entity }, n) => ({ n, request_id: requestId, ...entity }));
        const alone = answered.filter(
          ({ requestId }) => answered.filter((other) => other.requestId === requestId).length === 1,
        );
        const byIdAlone = alone.map(({ requestId }, n) => ({ n, request_id: requestId }));
        for (const [name, spine, expected] of [
          ['keyed', keyed, answered],
          ['by-id', byIdAlone, alone],
        ] as const) {
          if (spine.length === 0) continue;
          const { manifest, out } = await exportSpine(world, [view], `${name}-${servedTopic}`, spine, options);
          const differences: unknown[] = [];
          for (const [n, row] of (await readParquet(out)).rows.entries()) {
            for (const [block, { values, seq }] of Object.entries(expected[n]!.answer.views)) {
              for (const { name: feature, result } of view.layout.features) {
                const cell = row[`${block}__${feature}`];
                const value = expectedCell(result, cellOf(result, values[feature]!));
                if (!Object.is(cell, value)) differences.push({ n, block, feature, cell, value });
              }
              expect(row[`${block}__seq`]).toBe(seq === null ? null : BigInt(seq));
            }
          }
          expect(differences).toEqual([]);
          expect(manifest.views.map(({ role, columns }) => [role, columns])).toEqual([
            [undefined, undefined],
            ['giver', ['giver']],
            ['taker', ['taker']],
          ]);
          const again = await exportSpine(world, [view], `${name}-${servedTopic}`, spine, {
            ...options,
            repeatOf: manifest,
          });
          expect(again.manifest).toEqual(manifest);
        }
      },
    ),
    { numRuns: 8, seed, endOnFailure: true },
  );
}, 120_000);

function cellOf(type: ResultType, value: unknown): ScalarValue {
  return value === null ? null : (carriedJson(type)(value) ?? null);
}

test('a role takes no reads of the view or of another role, and says so', async () => {
  const { view, topic, servedTopic, servingLog, service, read } = await openServed(1);
  world.broker.append(topic, 0, []);
  await publish(world, view);
  await read('plain', { features: [view.name], entity: { customer: 'ana' } });
  await read('whole', { service: 'model', entity: { customer: 'ana', giver: 'bo', taker: 'ana' } });
  await read('other', { service: 'other', entity: { buyer: 'ana' } });
  await read('both', { service: 'other', entity: { buyer: 'ana' } });
  await read('both', { service: 'model', entity: { customer: 'ana', giver: 'bo', taker: 'ana' } });
  const [plainBlock, giver, taker] = service.blocks;
  await servingLog.close();
  const exported = (requestId: string, blocks: readonly (typeof service.blocks)[number][], more: object = {}) =>
    exportSpine(world, [view], 'refused', [{ request_id: requestId }], {
      servedTopic,
      service: { name: 'model', blocks },
      ...more,
    });
  await expect(exported('plain', [plainBlock!])).resolves.toMatchObject({ manifest: { rows: 1 } });
  await expect(exported('plain', [giver!])).rejects.toMatchObject({
    code: 'request-not-logged',
    message: expect.stringContaining(`role "giver" of view "${view.name}": 1 row with no read by its request`),
  });
  // A role of that name in another service goes by columns of its own.
  await expect(exported('other', [giver!])).rejects.toMatchObject({ code: 'request-not-logged' });
  await expect(exported('both', [giver!])).resolves.toMatchObject({ manifest: { rows: 1 } });
  const { manifest } = await exported('whole', [taker!, giver!]);
  // Another column, or a role that is not there any more, is another export.
  const renamed = blockOf(view, 'giver', { customer: 'sender' });
  await expect(exported('whole', [taker!, renamed], { repeatOf: manifest })).rejects.toMatchObject({
    code: 'training-set-changed',
    message: expect.stringContaining(`role "giver" of view "${view.name}": then by giver, now by sender`),
  });
  await expect(exported('whole', [taker!], { repeatOf: manifest })).rejects.toMatchObject({
    code: 'training-set-changed',
    message: expect.stringContaining(`role "giver" of view "${view.name}": no longer part of the service`),
  });
});

test('a misspelt or missing column of a role is named', async () => {
  const { view, read } = await openServed(1);
  await publish(world, view);
  await expect(read('missing', { service: 'model', entity: { customer: 'ana', giver: 'bo' } })).rejects.toMatchObject({
    code: 'invalid-key',
    message: expect.stringContaining('key "taker"'),
  });
  await expect(
    read('stray', { service: 'model', entity: { customer: 'ana', giver: 'bo', taker: 'bo', takr: 'bo' } }),
  ).rejects.toMatchObject({
    code: 'invalid-key',
    message: 'key "takr": no such join key; expected customer, giver, taker',
  });
});
