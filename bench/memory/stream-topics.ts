import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { z } from 'zod';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { registerCodecs } from '../../engine/kafka/codecs.ts';

/** How much there is to stream. */
export interface StreamScale {
  readonly entities: number;
  /** Small ones, in turn over all entities. */
  readonly records: number;
  /** Records of 1 MB. */
  readonly large: number;
}

export const SMALL_TOPIC = 'bench-memory-small';
export const LARGE_TOPIC = 'bench-memory-large';

const PARTITIONS = 4;
const LARGE_BYTES = 950_000;
const SECONDS = 86_400 / 2;

/** The view that is streamed, over one of the topics. */
export async function streamView(topic: string): Promise<CompiledView> {
  const customer = entity('customer', { customer: z.string() });
  const payments = source('payments', {
    schema: z.object({
      payment: z.string(),
      at: z.iso.datetime(),
      customer: z.string(),
      shop: z.string(),
      cents: z.int().nonnegative(),
      score: z.number().nullable(),
    }),
    eventTime: 'at',
    eventId: 'payment',
    topic,
  });
  const spending = featureView('spending', {
    entity: customer,
    source: payments,
    features: (f) => ({
      payments_1d: f.count().over('1d'),
      cents_7d: f.sum('cents').over('7d'),
      score_avg_7d: f.avg('score').over('7d'),
      cents_max_1d: f.max('cents').over('1d'),
      cents_30d: f.sum('cents').over('30d'),
      last_shop: f.last('shop'),
    }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([customer, payments, spending], process.cwd()));
  return definitions.views.get('spending')!;
}

function payment(index: number, of: number, entities: number): Record<string, unknown> {
  const at = Date.UTC(2026, 0, 1) + Math.floor((index * SECONDS) / of) * 1000;
  return {
    payment: `P${index}`,
    at: new Date(at).toISOString(),
    // Neighbours in the log are far from each other among the entities.
    customer: `C${(index * 7919) % entities}`,
    shop: `S${index % 20_000}`,
    cents: index % 100_000,
    score: index % 10 === 0 ? null : (index % 1_000_000) / 1000,
  };
}

/** Fills both topics; every second one of the large records is compressed. */
export async function produceTopics(brokers: readonly string[], scale: StreamScale): Promise<void> {
  registerCodecs();
  const kafka = new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await Promise.all([admin.connect(), producer.connect()]);
  try {
    await admin.createTopics({
      topics: [SMALL_TOPIC, LARGE_TOPIC].map((topic) => ({ topic, numPartitions: PARTITIONS })),
      waitForLeaders: true,
    });
    const { entities, records, large } = scale;
    for (let from = 0; from < records; from += 10_000) {
      const messages = Array.from({ length: Math.min(10_000, records - from) }, (_, at) => {
        const row = payment(from + at, records, entities);
        return { key: String(row['customer']), value: JSON.stringify(row) };
      });
      await producer.send({ topic: SMALL_TOPIC, messages });
    }
    const words = 'the same words again and again, and a number: ';
    for (let index = 0; index < large; index++) {
      const row = { ...payment(index, large, entities), note: (words + index).repeat(LARGE_BYTES / words.length) };
      await producer.send({
        topic: LARGE_TOPIC,
        compression: index % 2 === 0 ? CompressionTypes.None : CompressionTypes.LZ4,
        messages: [
          {
            partition: (index >> 1) % PARTITIONS,
            value: JSON.stringify(row).slice(0, -2).padEnd(LARGE_BYTES, 'x') + '"}',
          },
        ],
      });
    }
  } finally {
    await producer.disconnect();
    await admin.disconnect();
  }
}
