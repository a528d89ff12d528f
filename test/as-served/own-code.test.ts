import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { serviceAsServed } from '../../activities/service-as-served.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { readParquet } from '../training/training-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { exportSpine, HOUR, isoOf, openWorld, publish, retime, type ServedWorld, stream } from './served-fixture.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

/** Counts all purchases, and knows no last one. */
const before = spendingView({ topic: 'purchases', lifetime: false, fingerprint: 'a'.repeat(64) });
/** Counts large ones alone, and has its features in another order. */
const after = largeOnly(spendingView({ topic: 'purchases', fingerprint: 'b'.repeat(64) }));
const T0 = Date.UTC(2001, 0, 1) * 1000;
let world: ServedWorld;

function largeOnly(view: CompiledView): CompiledView {
  return {
    ...view,
    layout: { ...view.layout, features: view.layout.features.toReversed() },
    prepare: (event, out) => (Number(event.row['amount']) < 10 ? 'filtered' : view.prepare(event, out)),
  };
}

/** `before` is served for an hour, then `after`; in the middle of each hour a commit. */
beforeAll(async () => {
  world = await openWorld(inject('stack').databaseUrl);
  world.broker.createTopic('purchases', 1);
  const buy = (id: string, minute: number, amount: number): void => {
    const at = isoOf(T0 + minute * 60_000_000);
    world.broker.append('purchases', 0, [
      { value: purchaseBytes({ id, at, customer: 'ana', amount }), timestampUs: T0 + minute * 60_000_000 },
    ]);
  };
  buy('a', -10, 1);
  const first = await publish(world, before);
  buy('b', 20, 20);
  await stream(world, before, first, 1);
  const second = await publish(world, after);
  buy('c', 70, 5);
  buy('d', 80, 300);
  await stream(world, after, second, 2);
  const half = HOUR / 2;
  await retime(world, before, first, { publishedUs: T0, endedUs: T0 + HOUR, commitsUs: [T0 + half] });
  await retime(world, after, second, { publishedUs: T0 + HOUR, endedUs: null, commitsUs: [T0 + HOUR + half] });
});
afterAll(() => world.close());

const hours = [0.25, 0.75, 1.25, 1.75];
const spine = hours.map((hour) => ({ customer: 'ana', event_timestamp: isoOf(T0 + hour * HOUR) }));

test('each version is replayed by its own code; what it did not have is null, and said', async () => {
  const code = codeOf([before, after]);
  const { manifest, out } = await exportSpine(world, [after], 'own', spine, { code });
  const { rows } = await readParquet(out);
  const features = ['purchases_1d', 'spent_7d', 'last_amount'];
  expect(rows.map((row) => features.map((name) => row[`spending__${name}`]))).toEqual([
    [1n, 1n, null],
    [2n, 21n, null],
    [1n, 20n, 20n],
    [2n, 320n, 300n],
  ]);
  expect(manifest.views[0]).toMatchObject({
    fingerprint: after.fingerprint,
    served: {
      rowsNotServed: 0,
      versions: [
        { version: 1, fingerprint: before.fingerprint, rows: 2, notServed: ['last_amount'] },
        { version: 2, fingerprint: after.fingerprint, rows: 2 },
      ],
    },
  });
  expect(manifest.views[0]!.served!.versions[1]).not.toHaveProperty('notServed');
  const again = await exportSpine(world, [after], 'own-again', spine, { code, repeatOf: manifest });
  expect(await readFile(again.out)).toEqual(await readFile(out));
});

test('what a version served is refused where its code is not at hand, or is of other entities', async () => {
  const refused = { code: 'definition-changed', message: expect.stringMatching(/version 1 of view "spending"/) };
  await expect(exportSpine(world, [after], 'refused', spine)).rejects.toMatchObject(refused);
  const of = (code: CompiledView) => exportSpine(world, [after], 'refused', spine, { code: codeOf([code, after]) });
  const otherEntity = { ...before, layout: { ...before.layout, entity: 'account' } };
  await expect(of(otherEntity)).rejects.toMatchObject(refused);
  const otherKeys = {
    ...before,
    layout: { ...before.layout, keys: [{ name: 'card', type: { kind: 'string' } as const }] },
  };
  await expect(of(otherKeys)).rejects.toMatchObject(refused);
});

test('a service is exported by the code of what is served, or of the export to repeat', async () => {
  const deps = { pool: world.pool, code: codeOf([before, after]) };
  const service = { name: 'model', blocks: plainBlocks([before]) };
  expect(await serviceAsServed(deps, service, undefined)).toEqual({
    name: 'model',
    blocks: plainBlocks([after]),
  });
  const then = { views: [{ view: 'spending', fingerprint: before.fingerprint }] as never };
  expect(await serviceAsServed(deps, { ...service, blocks: plainBlocks([after]) }, then)).toEqual(service);
  // Never stored, and never served: the worker's own.
  expect(await serviceAsServed({ ...deps, code: codeOf([before]) }, service, undefined)).toEqual(service);
  const unknown = { name: 'model', blocks: plainBlocks([{ ...before, name: 'elsewhere' }]) };
  expect(await serviceAsServed(deps, unknown, undefined)).toEqual(unknown);
});

test('views whose versions define a source otherwise are each read as their own says, and from one topic', async () => {
  const other = (topic: string): CompiledView => ({
    ...before,
    name: 'other',
    layout: { ...before.layout, view: 'other' },
    source: { ...before.source, topic, dedupeHorizonUs: 1 },
  });
  const timed = { mode: 'event-time', pool: undefined } as const;
  const { manifest } = await exportSpine(world, [after, other('purchases')], 'two', spine, timed);
  expect(manifest.sources).toMatchObject([
    { source: 'purchases', views: ['spending'] },
    { source: 'purchases', views: ['other'] },
  ]);
  expect(manifest.views.map(({ counts }) => counts)).toMatchObject([
    { records: 4, applied: 2, filtered: 2 },
    { records: 4, applied: 4, filtered: 0 },
  ]);
  world.broker.createTopic('payments', 1);
  await expect(exportSpine(world, [after, other('payments')], 'two', spine, timed)).rejects.toMatchObject({
    code: 'source-ambiguous',
    details: { source: 'purchases', topics: ['payments', 'purchases'] },
  });
});
