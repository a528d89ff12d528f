import { describe, expect, test } from 'vitest';
import { systemClock } from '../../engine/values/clock.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { scanServedReads } from '../../engine/served/scan-served-reads.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { loggedReads } from './logged-reads.ts';

const TOPIC = 'served';

function opened() {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, 2);
  const reader = createMemoryLogReader(broker, () => 3);
  const writer: LogWriter = {
    send: async (topic, records) => {
      for (const { key, value, timestampMs } of records) {
        broker.append(topic, key!.length % 2, [{ key, value, timestampUs: timestampMs * 1000 }]);
      }
    },
    close: async () => undefined,
  };
  const log = new ServingLog({ writer, topic: TOPIC, clock: systemClock, logId: 'log', sample: 1 });
  const offer = (requestId: string, view: string, ...entities: string[]): void =>
    log.offer(
      requestId,
      null,
      entities.map(() => ({
        view,
        version: 1,
        fingerprint: 'f',
        keys: [{ name: 'id', type: { kind: 'string' } }],
        features: [],
        values: [],
        errors: null,
        found: true,
        asOfUs: 0,
        ahead: false,
        seq: 0,
        commitId: null,
      })),
      entities.map((entity) => [entity]),
    );
  return { broker, reader, log, offer };
}

describe('scanServedReads', () => {
  test('gives each read once, though it was sent more than once', async () => {
    const { broker, reader, log, offer } = opened();
    offer('r1', 'a_view', 'x', 'yy', 'z');
    offer('r2', 'a_view', 'x');
    await log.close();
    for (const partition of [0, 1]) {
      const { records } = broker.slice(TOPIC, partition, 0, 100);
      broker.append(
        TOPIC,
        partition,
        records.map(({ key, value, timestampUs }) => ({ key, value, timestampUs })),
      );
    }
    const scan = scanServedReads({ reader, topic: TOPIC });
    const reads = [];
    for await (const batch of scan) reads.push(...batch);
    expect(reads.map(({ requestId, entityJson }) => [requestId, entityJson]).sort()).toEqual([
      ['r1', '{"id":"x"}'],
      ['r1', '{"id":"yy"}'],
      ['r1', '{"id":"z"}'],
      ['r2', '{"id":"x"}'],
    ]);
    expect(scan.counts).toMatchObject({ records: 8, duplicates: 4, applied: 4, invalid: 0 });
  });

  test('of some views or requests only, and up to a cut', async () => {
    const { reader, log, offer } = opened();
    offer('r1', 'a_view', 'x');
    offer('r1', 'b_view', 'x');
    offer('r2', 'a_view', 'y');
    await log.close();
    const ids = (reads: readonly { requestId: string; view: string }[]): string[] =>
      reads.map(({ requestId, view }) => `${requestId} ${view}`).sort();
    expect(ids(await loggedReads(reader, TOPIC, { views: new Set(['a_view']) }))).toEqual(['r1 a_view', 'r2 a_view']);
    expect(ids(await loggedReads(reader, TOPIC, { requestIds: new Set(['r1']) }))).toEqual(['r1 a_view', 'r1 b_view']);
    const views = new Set(['b_view']);
    expect(await loggedReads(reader, TOPIC, { views, requestIds: new Set(['r2']) })).toEqual([]);
    const present = await takeCut(reader, TOPIC, systemClock);
    const until = {
      ...present,
      partitions: present.partitions.map((part) => ({ ...part, endOffset: part.lowOffset })),
    };
    expect(await loggedReads(reader, TOPIC, { until })).toEqual([]);
  });

  test('tells what is no read, and goes on', async () => {
    const { broker, reader, log, offer } = opened();
    const append = (value: string | null): void =>
      broker.append(TOPIC, 0, [{ value: value === null ? null : Buffer.from(value), timestampUs: 0 }]);
    append('{"half": ');
    append('{"read_id":"1"}');
    append(null);
    offer('r1', 'a_view', 'x', 'yy');
    await log.close();
    const reasons: string[] = [];
    const scan = scanServedReads({
      reader,
      topic: TOPIC,
      onInvalid: ({ partition, offset, reasons: all }) => reasons.push(`${partition}:${offset} ${all[0]}`),
    });
    let reads = 0;
    for await (const batch of scan) reads += batch.length;
    expect(reads).toBe(2);
    expect(scan.counts).toMatchObject({ records: 5, invalid: 2, tombstones: 1, applied: 2 });
    expect(reasons).toEqual([
      '0:0 record: expected JSON, received "{\\"half\\": "',
      expect.stringMatching(/^0:1 request_id/),
    ]);
  });

  test('ends on abort, and names a topic that is not there', async () => {
    const { reader, log, offer } = opened();
    offer('r1', 'a_view', ...Array.from({ length: 50 }, (_, n) => `e${n}`));
    await log.close();
    const controller = new AbortController();
    const scanned = (async () => {
      for await (const _ of scanServedReads({ reader, topic: TOPIC, signal: controller.signal })) controller.abort();
    })();
    await expect(scanned).rejects.toMatchObject({ name: 'AbortError' });
    await expect(loggedReads(reader, 'none')).rejects.toMatchObject({ code: 'topic-not-found' });
  });
});
