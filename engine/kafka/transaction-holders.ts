import type { PartitionBounds } from '../topic/log-reader.ts';
import type { FetchLimits, KafkaLink } from './kafka-link.ts';
import { groupByLeader } from './kafka-link.ts';
import { producerIdOf } from './record-batch.ts';

/** A batch's head is all that is wanted; the first partition of a request comes with a whole batch. */
const HEAD: FetchLimits = { maxWaitMs: 0, maxBytes: 16_384, maxBytesPerPartition: 1_024 };
/** Of one topic, at one look: a person asks after one of them. */
const ASKED_AT_ONCE = 8;

interface Held {
  readonly endOffset: number;
  readonly producerId: string | null;
}

/**
 * Whose transaction holds the readable end of a partition back. It begins with the record at that end, whose batch names its producer; asked for
 * once per transaction, and of those alone that are still open at the second look: most are over by then.
 */
export class TransactionHolders {
  readonly #held = new Map<string, Held>();

  /** The bounds, with `heldBy` where it is known. What the broker does not tell is left out: it is asked again at the next look. */
  async named(
    link: KafkaLink,
    topic: string,
    leaders: ReadonlyMap<number, number>,
    bounds: readonly PartitionBounds[],
  ): Promise<PartitionBounds[]> {
    const asked = new Map<number, number>();
    for (const { partition, endOffset, highWatermark = endOffset } of bounds) {
      const key = `${topic}/${partition}`;
      const known = this.#held.get(key);
      if (highWatermark <= endOffset) this.#held.delete(key);
      else if (known?.endOffset !== endOffset) this.#held.set(key, { endOffset, producerId: null });
      else if (known.producerId === null && asked.size < ASKED_AT_ONCE) asked.set(partition, endOffset);
    }
    // The bounds stand without it: a broker that answers one and not the other is met by whoever reads.
    if (asked.size > 0) await this.#ask(link, topic, leaders, asked).catch(() => undefined);
    return bounds.map((each) => {
      const producerId = this.#held.get(`${topic}/${each.partition}`)?.producerId ?? null;
      return producerId === null ? each : { ...each, heldBy: producerId };
    });
  }

  async #ask(
    link: KafkaLink,
    topic: string,
    leaders: ReadonlyMap<number, number>,
    asked: ReadonlyMap<number, number>,
  ): Promise<void> {
    const groups = groupByLeader(
      new Map([...asked.keys()].map((partition) => [partition, leaders.get(partition) ?? -1])),
    );
    for (const [nodeId, partitions] of groups) {
      const positions = partitions.map((partition) => [partition, asked.get(partition) as number] as const);
      const { partitions: fetched } = await link.fetch(nodeId, topic, positions, HEAD, 'uncommitted');
      for (const { partition, errorCode, recordSet } of fetched) {
        const endOffset = asked.get(partition);
        const producerId = errorCode === 0 ? producerIdOf(recordSet) : null;
        if (endOffset !== undefined && producerId !== null)
          this.#held.set(`${topic}/${partition}`, { endOffset, producerId: String(producerId) });
      }
    }
  }
}
