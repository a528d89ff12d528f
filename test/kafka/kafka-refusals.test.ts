import { afterEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { kafkaFailure } from '../../engine/kafka/kafka-failure.ts';
import { KafkaLink } from '../../engine/kafka/kafka-link.ts';
import { errorOfCode } from '../../engine/kafka/kafkajs-internals.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type KafkaFixture, openKafka } from './kafka-fixture.ts';
import { readAll } from './log-reader-conformance.ts';
import { scriptedBroker } from './scripted-broker.ts';

const TOPIC_AUTHORIZATION_FAILED = 29;

type Asked = Parameters<KafkaLink['fetch']>;
type Answer = Awaited<ReturnType<KafkaLink['fetch']>>['partitions'][number];

describe('a broker that cannot be used is named', () => {
  const boundsOf = async (
    offers: Parameters<typeof scriptedBroker>[0],
    sasl?: { mechanism: 'plain'; username: string; password: string },
  ): Promise<unknown> => {
    const broker = await scriptedBroker(offers);
    onTestFinished(() => broker.close());
    const reader = createKafkaLogReader({ brokers: [broker.address], clientId: 'test', sasl });
    onTestFinished(() => reader.close());
    return await reader.bounds('flights');
  };

  test('one of another age', async () => {
    await expect(
      boundsOf(
        new Map([
          [1, [0, 4]],
          [18, [0, 2]],
        ]),
      ),
    ).rejects.toMatchObject({
      code: 'unsupported-broker',
      message: expect.stringContaining('Fetch: offers 0 to 4, needed 11 to 11; ListOffsets: not offered'),
    });
  });

  test('one that refuses the credentials', async () => {
    const offers = new Map([17, 18, 36].map((api) => [api, [0, 1]] as const));
    await expect(boundsOf(offers, { mechanism: 'plain', username: 'ann', password: 'wrong' })).rejects.toMatchObject({
      code: 'kafka-authentication-failed',
      retryable: false,
    });
  });

  test('one that refuses the topic', () => {
    const { error, transient } = kafkaFailure(errorOfCode(TOPIC_AUTHORIZATION_FAILED), ['b:9092'], 'topic flights');
    expect([error.code, transient]).toEqual(['kafka-not-authorized', false]);
    expect(error.remedy).toMatch(/kafka-acls\.sh --bootstrap-server b:9092 .* --topic flights$/);
  });

  test('one that does not name every partition', async () => {
    const at = (partition: number) => ({ partition, lowOffset: 0, endOffset: 1 });
    const bounds = async (topic: string) => ({ topic, clusterId: 'c', partitions: [at(0), at(2)] });
    await expect(takeCut({ bounds }, 'flights', systemClock)).rejects.toMatchObject({
      code: 'topic-incomplete',
      message: 'topic "flights": the broker named 2 partitions, but not partition 1',
      retryable: true,
    });
  });
});

describe('a broker that does not give what it says it has', () => {
  afterEach(() => vi.restoreAllMocks());

  /** A topic of three records, read through answers that are altered on their way. */
  async function readThrough(alter: (records: Uint8Array, base: (offset: number) => void) => Partial<Answer>) {
    const kafka: KafkaFixture = await openKafka(inject('stack').kafkaBrokers, {
      limits: { stallMs: 0, retryForMs: 0 },
    });
    onTestFinished(() => kafka.close());
    const topic = `altered-${process.pid}-${Math.floor(performance.now() * 1000)}`;
    await kafka.createTopic(topic, 1);
    await kafka.send(topic, 0, ['a', 'b', 'c']);
    const fetch: (...asked: Asked) => ReturnType<KafkaLink['fetch']> = Reflect.get(KafkaLink.prototype, 'fetch');
    vi.spyOn(KafkaLink.prototype, 'fetch').mockImplementation(async function (this: KafkaLink, ...asked: Asked) {
      const response = await Reflect.apply(fetch, this, asked);
      const partitions = response.partitions.map((at) => {
        const recordSet = Buffer.from(at.recordSet);
        const base = (offset: number): void => void recordSet.writeBigInt64BE(BigInt(offset), 0);
        return { ...at, recordSet, ...alter(recordSet, base) };
      });
      return { ...response, partitions };
    });
    return await readAll(kafka.reader, topic, [[0, 0]], [[0, 3]]);
  }

  test('and gives nothing', async () => {
    await expect(readThrough(() => ({ recordSet: Buffer.alloc(0) }))).rejects.toMatchObject({
      code: 'log-stalled',
      retryable: true,
    });
  });

  test('since what comes next was deleted a moment ago', async () => {
    const later = (_: Uint8Array, base: (offset: number) => void): Partial<Answer> => {
      base(2);
      return { logStartOffset: 2 };
    };
    await expect(readThrough(later)).rejects.toMatchObject({ code: 'log-gap', details: { position: 0, found: 2 } });
  });
});
