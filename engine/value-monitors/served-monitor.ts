import type pg from 'pg';
import { PartitionDedupe } from '../admission/partition-dedupe.ts';
import { writeBuckets } from '../monitors/write-buckets.ts';
import { versions } from '../postgres/view-versions.ts';
import { LoggedRead } from '../served/served-read.ts';
import { servedSource } from '../served/served-source.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { TopicPipeline } from '../topic/topic-pipeline.ts';
import { firstOffsetFrom } from './first-offset.ts';
import { type ServedDefinitions, ServedHours } from './served-hours.ts';

/** How far records of the serving log may be out of the order of their times: a log that waits for Kafka keeps them for a minute. */
const DISORDER_US = 10 * 60_000_000;

export interface ServedMonitorOptions extends Omit<ServedDefinitions, 'versions'> {
  readonly pool: pg.Pool;
  /** Reads the serving log as far back as archive and topic reach. */
  readonly reader: LogReader;
  readonly topic: string;
  /** Hours that begin in `[fromMs, untilMs)`, UTC epoch ms: whole hours. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Computes what was served in some hours from the serving log, and writes it to `monitor_bucket` (place `served`, by the service or, where there was none, the
 * view): per field and declared segment. Now as later it comes to the same: it is a function of the reads that were logged. `count` counts entities, not reads:
 * of each block and entity the last read of the hour; the others are `leftOut` as `repeated-read`.
 *
 * @returns how many buckets were written
 * @throws MillraceError `topic-not-found`, and what the reader throws
 * @example
 * await monitorServed({ pool, reader, topic: 'millrace.served', services, views, fromMs: hour, untilMs: hour + 3_600_000 });
 */
export async function monitorServed(options: ServedMonitorOptions): Promise<number> {
  const { pool, reader, topic, services, views, fromMs, untilMs, signal } = options;
  const source = servedSource(topic);
  const { partitions } = await reader.bounds(topic);
  const positions = new Map<number, number>();
  const ends = new Map<number, number>();
  const pipelines = new Map<number, TopicPipeline>();
  for (const bounds of partitions) {
    const from = await firstOffsetFrom(reader, topic, bounds, fromMs * 1000 - DISORDER_US);
    if (from >= bounds.endOffset) continue;
    positions.set(bounds.partition, from);
    ends.set(bounds.partition, bounds.endOffset);
    const dedupe = new PartitionDedupe(source.dedupeHorizonUs, null, undefined, false);
    const start = { watermarkUs: null, begun: true, historyNewestUs: null };
    pipelines.set(bounds.partition, new TopicPipeline(source, bounds.partition, dedupe, start));
  }
  const hours = new ServedHours({ services, views, versions: await versions(pool) });
  if (positions.size > 0) {
    for await (const batch of reader.read({ topic, positions, ends, signal })) {
      for (const record of batch.records) {
        const outcome = pipelines.get(batch.partition)!.step(record);
        if (outcome.kind !== 'event' && outcome.kind !== 'undeduped') continue;
        const { eventTimeUs, row } = outcome.event;
        if (eventTimeUs >= fromMs * 1000 && eventTimeUs < untilMs * 1000) hours.add(new LoggedRead(row));
      }
    }
  }
  const buckets = hours.buckets();
  await writeBuckets(pool, buckets);
  return buckets.length;
}
