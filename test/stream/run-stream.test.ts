import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { RunStreamOptions, StreamProgress } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { replayTopic } from './replay.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { type Purchase, purchaseBytes, spendingView } from './stream-view.ts';

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

const purchase = (index: number, more: Partial<Purchase> = {}): Purchase => ({
  id: `id-${index}`,
  at: new Date(index * 1000).toISOString(),
  customer: `c${index % 7}`,
  amount: index,
  ...more,
});

function setup(partitions: number) {
  const broker = new MemoryBroker();
  broker.createTopic('purchases', partitions);
  const view = spendingView({ topic: 'purchases' });
  const reader = createMemoryLogReader(broker);
  let attemptMs = 0;
  const options = (version: number, more: Partial<RunStreamOptions> = {}): RunStreamOptions => ({
    view,
    version,
    pool: database.pool,
    reader,
    fence: { generation: 1, attemptMs: ++attemptMs, owner: 'test' },
    until: 'present-end',
    clock: testClock,
    ...more,
  });
  return { broker, view, reader, options };
}

describe('runStream', () => {
  test('reads a topic to its present end: states, counts, dead letters, offsets and commit records agree with a plain replay', async () => {
    const { broker, view, reader, options } = setup(3);
    for (let index = 0; index < 300; index++) {
      const record =
        index % 31 === 5
          ? { value: Buffer.from('{"not": valid') }
          : index % 37 === 6
            ? { value: null }
            : {
                value: purchaseBytes(
                  purchase(index % 53 === 7 ? index - 3 : index, {
                    kept: index % 11 !== 0,
                    customer: index % 41 === 1 ? null : `c${index % 7}`,
                  }),
                ),
              };
      broker.append('purchases', index % 3, [{ ...record, timestampUs: index * 1_000_000 }]);
    }
    broker.appendControl('purchases', 1);
    const version = await publishEmptyVersion(database.pool, view, broker.bounds('purchases'));
    const seen: StreamProgress[] = [];
    const result = await runStream(
      options(version, {
        limits: { batchRecords: 40, maxBatchRecords: 80 },
        onProgress: (progress) => seen.push(progress),
      }),
    );
    const expected = await replayTopic(view, reader);
    expect(result).toMatchObject({ ended: 'present-end', records: 300, lag: 0, applied: expected.counts.applied });
    expect(await stateBytes(database.pool, view, version)).toEqual(expected.states);
    const letters = await catalogRows(database.pool, 'dead_letter', view.name, version);
    expect(letters.map((row) => `${String(row['partition'])}:${String(row['offset'])}`).sort()).toEqual(
      expected.deadLetters,
    );
    const offsets = await catalogRows(database.pool, 'stream_offset', view.name, version);
    expect(offsets.map((row) => row['next_offset'])).toEqual(
      broker.bounds('purchases').partitions.map(({ endOffset }) => endOffset),
    );
    const commits = await catalogRows(database.pool, 'commit_record', view.name, version);
    for (const { partition, endOffset } of broker.bounds('purchases').partitions) {
      const ranges = commits
        .filter((row) => row['partition'] === partition)
        .map((row) => [row['from_offset'], row['until_offset']] as [number, number])
        .sort((a, b) => a[0] - b[0]);
      expect(ranges[0]?.[0]).toBe(0);
      expect(ranges.at(-1)?.[1]).toBe(endOffset);
      for (let at = 1; at < ranges.length; at++) expect(ranges[at]![0]).toBe(ranges[at - 1]![1]);
    }
    expect(seen.at(-1)).toMatchObject({ records: 300, lag: 0, state: 'running' });
  });
});
