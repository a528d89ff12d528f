import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { LogBatch, RawRecord } from '../topic/log-reader.ts';
import { brokerTimestampUs } from '../topic/record-judge.ts';
import type { SideAdvance, SidePartition } from './side-partition.ts';

/** A record that may pair, as it is held. */
export interface PairEvent {
  /** `hash16` of what both sides are joined by. */
  readonly key: Buffer;
  readonly timeUs: number;
  /** `hash16` of its id. */
  readonly idHash: Buffer;
  /** Its id as JSON text; where the source has none its partition and offset. */
  readonly id: string;
  /** What its record among the pairs is keyed by: its id. */
  readonly recordKey: Buffer;
  readonly brokerUs: number | null;
  /** The record as it lay on its topic. */
  readonly value: Buffer;
  readonly partition: number;
  readonly offset: number;
}

/** What one transaction takes of one side. */
export interface SideBatch {
  readonly records: number;
  /** In order of partition. */
  readonly advances: readonly SideAdvance[];
  readonly events: readonly PairEvent[];
  readonly deadLetters: readonly Omit<InvalidRecord, 'topic' | 'file' | 'number'>[];
}

/** After so many records the event loop gets a turn. */
const RECORDS_PER_TURN = 500;

/** Takes records the way of all records, in the order they came. Throws what `SidePartition.step` throws. */
export async function buildBatch(
  batches: readonly LogBatch[],
  partitions: ReadonlyMap<number, SidePartition>,
): Promise<SideBatch> {
  const events: PairEvent[] = [];
  const deadLetters: SideBatch['deadLetters'][number][] = [];
  let records = 0;
  for (const batch of batches) {
    const partition = partitions.get(batch.partition);
    if (partition === undefined) throw internalBug(`a batch of partition ${batch.partition}, which is not claimed`);
    for (const record of batch.records) {
      const stepped = partition.step(record);
      if (stepped?.kind === 'event') events.push(pairEvent(record, stepped.event, stepped.key));
      else if (stepped?.kind === 'invalid') deadLetters.push(deadLetter(record, stepped.reasons));
      if (++records % RECORDS_PER_TURN === 0) await turn();
    }
    partition.pass(batch);
  }
  const advances = [...partitions.values()]
    .map((partition) => partition.takeAdvance())
    .filter((advance) => advance !== null)
    .toSorted((a, b) => a.partition - b.partition);
  return { records, advances, events, deadLetters };
}

function pairEvent(
  record: RawRecord,
  { id, eventTimeUs }: { readonly id: string | null; readonly eventTimeUs: number },
  key: string,
): PairEvent {
  const { partition, offset, value } = record;
  const named = id ?? `${partition}/${offset}`;
  return {
    key: hash16(key),
    timeUs: eventTimeUs,
    idHash: hash16(named),
    id: JSON.stringify(named),
    recordKey: Buffer.from(named),
    brokerUs: brokerTimestampUs(record),
    value: bufferOf(value!),
    partition,
    offset,
  };
}

/** A dead letter of a record. */
export function deadLetter(
  record: Pick<RawRecord, 'partition' | 'offset' | 'value' | 'timestampUs'>,
  reasons: readonly string[],
): SideBatch['deadLetters'][number] {
  const { partition, offset, value } = record;
  return { partition, offset, payload: value, reasons, brokerTimestampUs: brokerTimestampUs(record) };
}

/** 128 bits stand for a text: keys of any length and letter have one place in an index. */
function hash16(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, 16);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
