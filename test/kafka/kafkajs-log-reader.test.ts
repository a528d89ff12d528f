import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CompressionTypes } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { kafkaJars } from '../../stack/kafka-install.ts';
import { type KafkaFixture, openKafka } from './kafka-fixture.ts';
import { codeOf, describeLogReader, range, readAll, text } from './log-reader-conformance.ts';

describeLogReader('the log reader over Kafka', () => openKafka(inject('stack').kafkaBrokers));

describe('the log reader over Kafka', () => {
  let kafka: KafkaFixture;
  let topics = 0;
  beforeAll(async () => {
    kafka = await openKafka(inject('stack').kafkaBrokers);
  });
  afterAll(() => kafka.close());
  const newTopic = async (partitions = 1): Promise<string> => {
    const topic = `reader-${process.pid}-${Math.floor(performance.timeOrigin)}-${++topics}`;
    await kafka.createTopic(topic, partitions);
    return topic;
  };

  test('answers for many topics at once, each with its own', async () => {
    const names = await Promise.all(
      range(1, 9).map(async (partitions) => ({ topic: await newTopic(partitions), partitions })),
    );
    // Calls for different topics that all begin at once, again and again: as ten streams do after a restart.
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        names.flatMap(({ topic }) => [kafka.reader.bounds(topic), kafka.reader.recordAt(topic, 0, 0)]),
      );
      const counts = answers.flatMap((answer) =>
        answer === null ? [] : 'partitions' in answer ? [answer.partitions.length] : [],
      );
      expect(counts).toEqual(names.map(({ partitions }) => partitions));
    }
  });

  for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const) {
    test(`reads what kafkajs produced with ${codec}`, async () => {
      const topic = await newTopic();
      const values = range(0, 2000).map((index) =>
        JSON.stringify({ index, text: 'the same words again and again '.repeat(index % 5) }),
      );
      await kafka.send(topic, 0, values.slice(0, 1500), CompressionTypes[codec]);
      await kafka.send(topic, 0, values.slice(1500), CompressionTypes[codec]);
      const seen = await readAll(kafka.reader, topic, [[0, 700]], [[0, 2000]]);
      expect(seen.get(0)?.map(text)).toEqual(values.slice(700));
    });
  }

  // The Java client frames snappy and lz4 in ways of its own; it is run from source, which takes a JDK (the stack's Kafka needs only a JRE).
  test.skipIf(!hasJdk())("reads what Kafka's own Java producer wrote with gzip, snappy, lz4 and zstd", async () => {
    const codecs = ['gzip', 'snappy', 'lz4', 'zstd'];
    const made = await Promise.all(codecs.map(async (codec) => ({ codec, topic: await newTopic() })));
    const values = range(0, 3000).map((index) => `{"index":${index},"text":"${'again '.repeat(index % 7)}"}`);
    const jars = await kafkaJars(process.env, () => undefined);
    const source = fileURLToPath(new URL('./JavaProducer.java', import.meta.url));
    const brokers = inject('stack').kafkaBrokers.join(',');
    const topics = made.flatMap(({ codec, topic }) => [topic, codec]);
    const producing = promisify(execFile)('java', ['-Xmx128m', '-cp', `${jars}/*`, source, brokers, ...topics]);
    producing.child.stdin?.end(`${values.join('\n')}\n`);
    await producing;
    for (const { topic } of made) {
      const seen = await readAll(kafka.reader, topic, [[0, 0]], [[0, 3000]]);
      expect(seen.get(0)?.map(text)).toEqual(values);
    }
  });

  test('records of committed transactions come, of aborted ones not, overlapping ones of several producers included', async () => {
    const topic = await newTopic();
    const producers = await Promise.all(
      [0, 1, 2].map(async (index) => {
        const producer = kafka.kafka.producer({
          transactionalId: `${topic}-${index}`,
          maxInFlightRequests: 1,
          idempotent: true,
        });
        await producer.connect();
        return producer;
      }),
    );
    const [a, b, c] = await Promise.all(producers.map((producer) => producer.transaction()));
    const zeroKey = Buffer.from([0, 0, 0, 0]);
    for (const round of range(0, 5)) {
      await a!.send({ topic, messages: [{ key: zeroKey, value: `a${round}` }] });
      await b!.send({ topic, messages: [{ key: zeroKey, value: `b${round}` }] });
      await c!.send({ topic, messages: [{ value: `c${round}` }] });
      await kafka.send(topic, 0, [`plain${round}`]);
    }
    const open = await kafka.reader.bounds(topic);
    expect(open.partitions[0]?.endOffset).toBe(0);
    await a!.abort();
    await kafka.send(topic, 0, ['between']);
    await b!.abort();
    await c!.commit();
    const end = 24; // 15 in transactions, 6 outside, 3 markers
    await vi.waitUntil(async () => (await kafka.reader.bounds(topic)).partitions[0]!.endOffset === end, {
      timeout: 30_000,
    });
    const seen = (await readAll(kafka.reader, topic, [[0, 0]], [[0, end]])).get(0)!.map(text);
    expect(seen).toEqual([...range(0, 5).flatMap((round) => [`c${round}`, `plain${round}`]), 'between']);
    // From a position inside the aborted transactions as well.
    expect((await readAll(kafka.reader, topic, [[0, 6]], [[0, end]])).get(0)!.map(text)).toEqual(
      seen.slice(seen.indexOf('c1')),
    );
    await Promise.all(producers.map((producer) => producer.disconnect()));
  });

  test('a run of nothing but control records moves the position, in a batch without records', async () => {
    const topic = await newTopic();
    const producer = kafka.kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'gone' }] });
    await transaction.abort();
    const seen: number[] = [];
    for await (const batch of kafka.reader.read({ topic, positions: new Map([[0, 0]]), ends: new Map([[0, 2]]) })) {
      expect(batch.records).toEqual([]);
      seen.push(batch.nextOffset);
    }
    expect(seen.at(-1)).toBe(2);
    expect(await kafka.reader.recordAt(topic, 0, 0)).toBeNull();
    expect(await kafka.reader.recordAt(topic, 0, 1)).toBeNull();
    await producer.disconnect();
  });

  test('a compacted topic is refused', async () => {
    const topic = await newTopic();
    await kafka.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }],
    });
    // A reader looks at a topic's policy once.
    const reader = createKafkaLogReader({ brokers: inject('stack').kafkaBrokers, clientId: 'compacted' });
    expect(await codeOf(reader.bounds(topic))).toBe('compacted-topic');
    expect(await codeOf(readAll(reader, topic, [[0, 0]], [[0, 0]]))).toBe('compacted-topic');
    await reader.close();
  });

  test('small limits: back pressure holds the fetching back, and nothing is lost', async () => {
    const topic = await newTopic(3);
    for (const partition of [0, 1, 2])
      for (const part of range(0, 5))
        await kafka.send(
          topic,
          partition,
          range(part * 100, part * 100 + 100).map((index) => `${index}-${'y'.repeat(1000)}`),
        );
    const reader = createKafkaLogReader({
      brokers: inject('stack').kafkaBrokers,
      clientId: 'small',
      limits: { maxBytes: 50_000, maxBytesPerPartition: 10_000, queueBytes: 1 },
    });
    const seen = await readAll(
      reader,
      topic,
      [
        [0, 0],
        [1, 0],
        [2, 0],
      ],
      [
        [0, 500],
        [1, 500],
        [2, 500],
      ],
    );
    for (const partition of [0, 1, 2]) expect(seen.get(partition)?.map(({ offset }) => offset)).toEqual(range(0, 500));
    await reader.close();
  });

  test('reported offsets stand in the group, for lag tools', async () => {
    const topic = await newTopic(2);
    await kafka.reader.reportOffsets(
      `lag-${topic}`,
      topic,
      new Map([
        [0, 5],
        [1, 7],
      ]),
    );
    const [found] = await kafka.admin.fetchOffsets({ groupId: `lag-${topic}`, topics: [topic] });
    expect(found?.partitions.map(({ offset }) => offset).toSorted()).toEqual(['5', '7']);
  });

  test('no broker: service-unreachable, naming address and variable', async () => {
    const reader = createKafkaLogReader({
      brokers: ['127.0.0.1:1'],
      clientId: 'nobody',
      connectForMs: 500,
      limits: { retryForMs: 500 },
    });
    await expect(reader.bounds('t')).rejects.toMatchObject({
      code: 'service-unreachable',
      retryable: true,
      details: { variable: 'KAFKA_BROKERS', address: '127.0.0.1:1' },
    });
    expect(await codeOf(readAll(reader, 't', [[0, 0]], [[0, 1]]))).toBe('service-unreachable');
    await reader.close();
  });
});

function hasJdk(): boolean {
  return spawnSync('javac', ['-version']).status === 0;
}
