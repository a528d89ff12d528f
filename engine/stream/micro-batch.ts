import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { HourCounts } from '../monitors/view-hours.ts';
import type { Anchor } from '../topic/anchor.ts';
import type { CachedState } from './state-cache.ts';

/** What a micro-batch changes of one partition; a snapshot, since the partition's run goes on while the batch is committed. */
export interface PartitionAdvance {
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  /** The topic's real end: what lag counts to. */
  readonly endOffset: number;
  readonly watermarkUs: number | null;
  readonly anchor: Anchor | null;
  /** All counts of the partition so far. */
  readonly counts: LogCounts;
  /** Whether a record of the partition has reached dedupe. */
  readonly begun: boolean;
  readonly verdicts: Uint8Array;
  /** More than half of its last records are invalid. */
  readonly mostlyInvalid: boolean;
  /** Ids first seen in this batch. */
  readonly newIds: { readonly ids: Uint8Array; readonly newestEventTimeUs: number } | null;
}

export interface ChangedState {
  readonly entry: CachedState;
  readonly bytes: Uint8Array;
}

/** All one transaction writes. */
export interface MicroBatch {
  readonly number: number;
  readonly records: number;
  readonly applied: number;
  readonly invalid: number;
  /** In order of partition. */
  readonly advances: readonly PartitionAdvance[];
  /** In order of key text. */
  readonly states: readonly ChangedState[];
  /** Of what came to the view, by hour of event time. */
  readonly hours: readonly HourCounts[];
  /** Of the claimed topic. */
  readonly deadLetters: readonly Omit<InvalidRecord, 'topic' | 'file' | 'number'>[];
}
