import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type pg from 'pg';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { catalog, run } from '../engine/postgres/catalog.ts';
import { poolAddress } from '../engine/postgres/pool.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { type Payment, recordOf, type TopicRecord } from './payment-generator.ts';

export const FLIGHTS_TOPIC = 'soak.flights';
export const PAYMENTS_TOPIC = 'soak.payments';
export const SERVED_TOPIC = 'soak.served';

function kafkaOf(brokers: readonly string[]): Kafka {
  return new Kafka({ clientId: 'millrace-soak', brokers: [...brokers], logLevel: logLevel.NOTHING });
}

/** Sends payments, keyed as the producer keys them. */
export async function sendPayments(brokers: readonly string[], payments: readonly Payment[]): Promise<void> {
  const producer = kafkaOf(brokers).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    const messages: TopicRecord[] = payments.map((payment) => recordOf(payment));
    await producer.send({ topic: PAYMENTS_TOPIC, messages });
  } finally {
    await producer.disconnect();
  }
}

/**
 * What retention does: deletes from a topic what is archived already. Returns how many records are gone; 0 while nothing is archived or a
 * service is away.
 */
export async function deleteArchived(pool: pg.Pool, brokers: readonly string[], topic: string): Promise<number> {
  const admin = kafkaOf(brokers).admin();
  try {
    const archived = await run(
      pool,
      catalog.selectFrom('archive_offset').select(['partition', 'next_offset']).where('topic', '=', topic),
    );
    if (archived.length === 0) return 0;
    await admin.connect();
    const before = await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({
      topic,
      partitions: archived.map(({ partition, next_offset }) => ({ partition, offset: String(next_offset) })),
    });
    const lows = new Map(before.map(({ partition, low }) => [partition, Number(low)]));
    return archived.reduce((sum, { partition, next_offset }) => sum + next_offset - (lows.get(partition) ?? 0), 0);
  } catch (error) {
    const named = namePostgresError(error, poolAddress(pool));
    const isAway = isMillraceError(named)
      ? named.retryable
      : named instanceof Error && named.name.startsWith('KafkaJS');
    if (isAway) return 0;
    throw named;
  } finally {
    // Where the broker is away there is nobody to take leave of.
    await admin.disconnect().catch(() => undefined);
  }
}
