import { Partitioners } from 'kafkajs';
import type { RecordToWrite } from '../../engine/topic/log-writer.ts';

/** Partitions of each topic of the demo. */
export const PARTITIONS = 4;

/** A flight that has left, as its record says it. */
export interface Departure {
  readonly flight_id: string;
  /** ISO, UTC. */
  readonly departed: string;
  readonly origin: string;
  readonly destination: string;
  /** Minutes. */
  readonly delay: number | null;
  /** Miles. */
  readonly distance: number;
}

/** A record and when its producer sends it, UTC epoch ms: that is the broker's time, too. */
export interface SentDeparture {
  readonly sentMs: number;
  readonly departure: Departure;
}

/** Records are keyed by route. */
export function keyOf({ origin, destination }: Departure): string {
  return `${origin}-${destination}`;
}

/** The record as it is written. */
export function recordOf({ sentMs, departure }: SentDeparture): RecordToWrite {
  return {
    key: Buffer.from(keyOf(departure)),
    value: Buffer.from(JSON.stringify(departure)),
    timestampMs: sentMs,
  };
}

/** Which partition the records of a key go to: as Kafka's own producers choose. */
export function partitionOf(key: string): number {
  return choose({ topic: '', partitionMetadata: METADATA, message: { key, value: null } });
}

const choose = Partitioners.DefaultPartitioner();
const METADATA = Array.from({ length: PARTITIONS }, (_, partitionId) => ({
  partitionId,
  partitionErrorCode: 0,
  leader: 1,
  replicas: [],
  isr: [],
}));
