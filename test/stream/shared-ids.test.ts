import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { hashId, PACKED_ID_BYTES, packId } from '../../engine/admission/id-hash.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { insertDedupeIds } from '../../engine/postgres/dedupe-ids.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { SharedIds } from '../../engine/stream/shared-ids.ts';
import type { StreamProgress } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { replayTopic } from './replay.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { type Purchase, purchaseBytes, spendingView } from './stream-view.ts';

const MB = 2 ** 20;
const RECORDS = 120_000;
const PARTITIONS = 2;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

/** One in eleven is sent again, one in a thousand is invalid for the view. */
function purchase(index: number): Purchase {
  return {
    id: `id-${index % 11 === 0 ? index - 5 : index}`,
    at: new Date(1e12 + index).toISOString(),
    customer: `c${index % 40}`,
    amount: index % 1_000 === 13 ? 13 : index,
  };
}

function filledBroker(topic: string, records: number): MemoryBroker {
  const broker = new MemoryBroker();
  broker.createTopic(topic, PARTITIONS);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const values = Array.from({ length: records / PARTITIONS }, (_, at) => at * PARTITIONS + partition);
    broker.append(
      topic,
      partition,
      values.map((index) => ({ value: purchaseBytes(purchase(index)), timestampUs: 1e15 })),
    );
  }
  return broker;
}

test('five views over a source hold its ids once, paid for once, and give them back; each is as it would be alone', {
  timeout: 300_000,
}, async () => {
  const broker = filledBroker('shared', RECORDS);
  const view = spendingView({ topic: 'shared', lifetime: false });
  const reader = createMemoryLogReader(broker);
  const versions: number[] = [];
  for (let at = 0; at < 5; at++) versions.push(await publishEmptyVersion(database.pool, view, broker.bounds('shared')));
  const memory = new MemoryBudget(memoryShares(2048));
  const stop = new AbortController();
  const last = new Map<number, StreamProgress>();
  let attemptMs = 0;
  const run = (version: number) =>
    runStream({
      view,
      version,
      pool: database.pool,
      reader,
      memory,
      clock: testClock,
      until: 'forever',
      fence: { generation: 1, attemptMs: ++attemptMs, owner: `version-${version}` },
      signal: stop.signal,
      limits: { progressEveryMs: 20 },
      onProgress: (progress) => void last.set(version, progress),
    });
  const figures = (version: number): StreamProgress | undefined => last.get(version);
  const isThrough = (version: number): boolean => {
    const progress = figures(version);
    return progress?.lag === 0 && progress.records === RECORDS;
  };
  const idHolders = (): number => memory.holders().find(({ what }) => what === 'ids of purchases')?.buffers ?? 0;

  const first = run(versions[0]!);
  await vi.waitUntil(() => isThrough(versions[0]!), { timeout: 60_000 });
  const alone = { metric: figures(versions[0]!)!.memory.ids, reserved: idHolders() };
  const ids = RECORDS - Math.floor(RECORDS / 11);
  expect(alone.metric).toBeGreaterThan(ids * 24);
  expect(alone.metric).toBeLessThan(ids * 37);
  expect(Math.abs(alone.reserved - alone.metric)).toBeLessThan(2 * MB);

  // They judge for themselves, from the first record on.
  const others = versions.slice(1).map(run);
  await vi.waitUntil(() => versions.every(isThrough), { timeout: 180_000 });
  await vi.waitUntil(
    () => {
      const all = versions.reduce((sum, version) => sum + figures(version)!.memory.ids, 0);
      return all < alone.metric * 1.4;
    },
    { timeout: 60_000 },
  );
  expect(idHolders()).toBeLessThan(alone.reserved * 1.2 + MB);

  stop.abort();
  for (const each of await Promise.all([first, ...others])) expect(each.ended).toBe('aborted');
  expect(memory.usedBytes).toBe(0);
  expect(memory.holders()).toEqual([]);

  const expected = await replayTopic(view, reader);
  const [one, ...same] = await Promise.all(
    versions.map(async (version) => ({
      states: await stateBytes(database.pool, view, version),
      letters: (await catalogRows(database.pool, 'dead_letter', view.name, version)).map(
        ({ partition, offset }) => `${String(partition)}:${String(offset)}`,
      ),
    })),
  );
  expect(one!.states).toEqual(expected.states);
  expect(one!.letters.toSorted()).toEqual(expected.deadLetters.toSorted());
  for (const other of same) expect(other).toEqual(one);

  // Loaded from its rows it needs no memory for what another one holds: there is too little left for its own.
  const again = new AbortController();
  const tight = new MemoryBudget(memoryShares(1024));
  const begin = (version: number, seen: StreamProgress[]) =>
    runStream({
      view,
      version,
      pool: database.pool,
      reader,
      memory: tight,
      clock: testClock,
      until: 'forever',
      fence: { generation: 2, attemptMs: ++attemptMs, owner: `version-${version}` },
      signal: again.signal,
      limits: { progressEveryMs: 20 },
      onProgress: (progress) => seen.push(progress),
    });
  const seen: [StreamProgress[], StreamProgress[]] = [[], []];
  const holder = begin(versions[0]!, seen[0]);
  await vi.waitUntil(() => seen[0].at(-1)?.state === 'running', { timeout: 60_000 });
  const rest = tight.limits.buffers - tight.used.buffers;
  const filler = await tight.reserve({ buffers: rest - 6.5 * MB }, 'backfill of others');
  const sharer = begin(versions[1]!, seen[1]);
  await vi.waitUntil(() => seen[1].at(-1)?.state === 'running', { timeout: 60_000 });
  expect(seen[1].every(({ state }) => state !== 'waiting')).toBe(true);
  again.abort();
  await Promise.all([holder, sharer]);
  filler.release();
  expect(tight.usedBytes).toBe(0);
});

test('what a stream must know and others do not hold it waits for, and holds nothing meanwhile', async () => {
  const broker = filledBroker('unlike', 100);
  const view = spendingView({ topic: 'unlike', lifetime: false });
  const reader = createMemoryLogReader(broker);
  const versions: number[] = [];
  for (let at = 0; at < 2; at++) {
    const version = await publishEmptyVersion(database.pool, view, broker.bounds('unlike'));
    const ids = new Uint8Array(100_000 * PACKED_ID_BYTES);
    const bytes = new DataView(ids.buffer);
    const words = new Uint32Array(4);
    for (let id = 0; id < 100_000; id++) {
      hashId(`${at}-${id}`, words);
      packId(bytes, id * PACKED_ID_BYTES, words, 1e15);
    }
    const place = { view: view.name, version, topic: 'unlike', partition: 0, seq: 0, chunk: 0 };
    await insertDedupeIds(database.pool, [{ ...place, newestEventTimeUs: 1e15, ids }]);
    versions.push(version);
  }
  const memory = new MemoryBudget(memoryShares(1024));
  const stop = new AbortController();
  const seen: [StreamProgress[], StreamProgress[]] = [[], []];
  const begin = (at: 0 | 1) =>
    runStream({
      view,
      version: versions[at]!,
      pool: database.pool,
      reader,
      memory,
      clock: testClock,
      until: 'forever',
      fence: { generation: 1, attemptMs: at + 1, owner: `version-${at}` },
      signal: stop.signal,
      limits: { progressEveryMs: 20 },
      onProgress: (progress) => seen[at].push(progress),
    });
  const first = begin(0);
  await vi.waitUntil(() => seen[0].at(-1)?.state === 'running', { timeout: 60_000 });
  const rest = memory.limits.buffers - memory.used.buffers;
  const filler = await memory.reserve({ buffers: rest - 6.5 * MB }, 'backfill of others');
  const before = memory.used;
  const second = begin(1);
  await vi.waitUntil(() => seen[1].at(-1)?.state === 'waiting' && memory.waiting().length === 1, { timeout: 60_000 });
  expect(seen[1].at(-1)!.waitingFor).toContain('waiting for 17 MB of memory');
  // But for a little that what it gave up has left behind in the table.
  expect(memory.used.heap).toBe(before.heap);
  expect(memory.used.buffers - before.buffers).toBeLessThan(MB);
  filler.release();
  await vi.waitUntil(() => seen[1].at(-1)?.state === 'running', { timeout: 60_000 });
  const holder = memory.holders().find(({ what }) => what === 'ids of purchases');
  expect(holder!.buffers).toBeGreaterThan(200_000 * 24);
  stop.abort();
  await Promise.all([first, second]);
  expect(memory.usedBytes).toBe(0);
});

test('one of several loads ids at a time; who gives up its turn holds up nobody', async () => {
  const memory = new MemoryBudget(memoryShares(1024));
  const shared = SharedIds.join(memory, 'purchases', 'shared');
  expect(SharedIds.join(memory, 'purchases', 'shared')).toBe(shared);
  expect(SharedIds.join(memory, 'purchases', 'other')).not.toBe(shared);
  const waits: string[] = [];
  const never = new AbortController();
  const gone = new AbortController();
  const order: string[] = [];
  const turn = async (name: string, signal: AbortSignal): Promise<() => void> => {
    const end = await shared.takeTurn(signal, () => waits.push(name));
    order.push(name);
    return end;
  };
  const end = await turn('first', never.signal);
  const [second, third] = [turn('second', gone.signal), turn('third', never.signal)];
  expect(waits).toEqual(['second', 'third']);
  gone.abort(new Error('given up'));
  await expect(second).rejects.toThrow('given up');
  expect(order).toEqual(['first']);
  end();
  (await third)();
  expect(order).toEqual(['first', 'third']);
  (await turn('fourth', never.signal))();
  expect(waits).toEqual(['second', 'third']);
  await expect(shared.takeTurn(gone.signal, () => {})).rejects.toThrow('given up');
  // A pool nobody holds is gone with the first who leaves, and everything with the last.
  shared.pool(3);
  shared.leave();
  expect(shared.bytes).toBe(0);
  shared.leave();
  expect(SharedIds.join(memory, 'purchases', 'shared')).not.toBe(shared);
});
