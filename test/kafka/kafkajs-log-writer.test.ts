import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import type { RawRecord } from '../../engine/topic/log-reader.ts';
import type { LogWriter, RecordToWrite } from '../../engine/topic/log-writer.ts';
import { freePort } from '../../stack/free-port.ts';
import { type KafkaFixture, openKafka } from './kafka-fixture.ts';

let kafka: KafkaFixture;
let writer: LogWriter;

beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  writer = createKafkaLogWriter({ brokers: inject('stack').kafkaBrokers, clientId: 'writer-test' });
});
afterAll(async () => {
  await writer.close();
  await kafka.close();
});

function record(key: string | null, value: string, timestampMs = 1_000): RecordToWrite {
  return { key: key === null ? null : Buffer.from(key), value: Buffer.from(value), timestampMs };
}

/** All records of a topic, by partition. */
async function all(topic: string): Promise<RawRecord[]> {
  const { partitions } = await kafka.reader.bounds(topic);
  const positions = new Map(partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  const ends = new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset]));
  const records: RawRecord[] = [];
  for await (const batch of kafka.reader.read({ topic, positions, ends })) records.push(...batch.records);
  return records;
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

describe('send', () => {
  it('writes key, value and timestamp as given; records of one key stay in order in one partition', async () => {
    await kafka.createTopic('writer-order', 3);
    for (let round = 0; round < 5; round++) {
      await writer.send(
        'writer-order',
        Array.from({ length: 20 }, (_, n) => record(`key ${n}\0é`, `${round}`, 1_700_000_000_000 + round)),
      );
    }
    const records = await all('writer-order');
    expect(records).toHaveLength(100);
    expect(new Set(records.map(({ partition }) => partition)).size).toBe(3);
    for (let n = 0; n < 20; n++) {
      const own = records.filter(({ key }) => text(key) === `key ${n}\0é`);
      expect(own.map(({ value }) => text(value))).toEqual(['0', '1', '2', '3', '4']);
      expect(own.map(({ timestampUs }) => timestampUs / 1000 - 1_700_000_000_000)).toEqual([0, 1, 2, 3, 4]);
      expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
    }
  });

  it('puts a key where other producers put it', async () => {
    await kafka.createTopic('writer-partitions', 5);
    const keys = Array.from({ length: 50 }, (_, n) => `key-${n}`);
    await writer.send(
      'writer-partitions',
      keys.map((key) => record(key, 'ours')),
    );
    await kafka.producer.send({ topic: 'writer-partitions', messages: keys.map((key) => ({ key, value: 'theirs' })) });
    const records = await all('writer-partitions');
    for (const key of keys) {
      const own = records.filter((one) => text(one.key) === key);
      expect([own.length, new Set(own.map(({ partition }) => partition)).size]).toEqual([2, 1]);
    }
  });

  it('takes records without a key, and none at all', async () => {
    await kafka.createTopic('writer-keyless', 1);
    await writer.send('writer-keyless', []);
    await writer.send('writer-keyless', [record(null, 'a')]);
    expect((await all('writer-keyless')).map(({ key, value }) => [key, text(value)])).toEqual([[null, 'a']]);
  });

  it('is refused by name, and the writer is good for the next send', async () => {
    await kafka.createTopic('writer-refused', 1);
    await expect(writer.send('writer-none', [record('k', 'v')])).rejects.toMatchObject({
      code: 'topic-not-found',
      retryable: false,
    });
    // More than a broker takes in one batch, and no codec makes it smaller.
    const many = Array.from({ length: 30 }, () => ({ ...record('k', ''), value: randomBytes(60_000) }));
    await expect(writer.send('writer-refused', many)).rejects.toMatchObject({
      code: 'kafka-failed',
      retryable: false,
    });
    await writer.send('writer-refused', [record('k', 'v')]);
    expect((await all('writer-refused')).map(({ value }) => text(value))).toEqual(['v']);
  });
});

describe('a Kafka that is away', () => {
  it('is named, whether nothing listens or nothing answers', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const ports = [await freePort(), (silent.address() as AddressInfo).port];
    for (const port of ports) {
      const lost = createKafkaLogWriter({ brokers: [`127.0.0.1:${port}`], clientId: 'lost', sendForMs: 500 });
      const sent = lost.send('any', [record('k', 'v')]);
      await expect(sent).rejects.toMatchObject({ code: 'service-unreachable', retryable: true });
      await lost.close();
    }
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('is asked at its other brokers too', async () => {
    const brokers = [`127.0.0.1:${await freePort()}`, ...inject('stack').kafkaBrokers];
    const wandering = createKafkaLogWriter({ brokers, clientId: 'wandering' });
    await kafka.createTopic('writer-wandering', 1);
    await expect(wandering.send('writer-wandering', [record('k', 'v')])).rejects.toMatchObject({ retryable: true });
    await wandering.send('writer-wandering', [record('k', 'v')]);
    await wandering.close();
    await expect(wandering.send('writer-wandering', [record('k', 'v')])).rejects.toMatchObject({
      code: 'log-writer-closed',
    });
  });
});
