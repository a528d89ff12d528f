import type { ScalarValue } from '../values/field-type.ts';
import type { ServedRead } from '../served/served-read.ts';
import type { EntityState } from '../state/view-reducer.ts';
import type { StoredRow } from './live-snapshot.ts';

/** A logged read under audit. */
export interface AuditedRead {
  readonly served: ServedRead;
  /** Null where no state was found. */
  readonly seq: number | null;
  /** Set once it was compared: how many of its features differ; -1 before that, or where it cannot be decided. */
  differing: number;
  /** Of a read that found no state: the first commit from which on it would have found one; -1 where there is none. */
  foundSince: number;
  /** What it read is of a time at which that had not expired, while it had by the time it was served: its row may have been gone. */
  isOfPast: boolean;
}

/** What differs between a stored state and the one the log gives. */
export interface StoredDifference {
  /** Set where the row itself is damaged, whatever the log says. */
  readonly damage: 'checksum' | 'undecodable' | 'expired-kept' | null;
  readonly reason: string;
  /** Indexes of the layout's features whose cells differ. */
  readonly features: readonly number[];
}

/** One entity of one version on its way through a replay. */
export interface AuditedEntity {
  readonly keyText: string;
  readonly key: readonly ScalarValue[];
  /** Ascending by seq, those that found no state first. */
  readonly reads: AuditedRead[];
  /** Its row in the snapshot; null where there is none. */
  readonly stored: StoredRow | null;
  /** Whether a missing row is a difference: the entity is in the sample, or its row was asked for. */
  readonly isStoreCompared: boolean;
  /** What the log has given so far; null before its first applied event. */
  state: EntityState | null;
  /** The commit of its newest applied event; -1 before it. */
  lastSeq: number;
  /** Of the reads that found no state, ascending by time, the first that none of the events so far lets find one. */
  nextUnfound: number;
  /** The next of `reads` to compare, and its seq (Infinity when there is none). */
  nextRead: number;
  nextSeq: number;
  storedDifference: StoredDifference | null;
  differingReads: number;
}

/** An entity before the first record. `reads` are put in order. */
export function auditedEntity(
  keyText: string,
  key: readonly ScalarValue[],
  reads: AuditedRead[],
  stored: StoredRow | null,
  isStoreCompared: boolean,
): AuditedEntity {
  reads.sort((a, b) => (a.seq ?? -1) - (b.seq ?? -1) || a.served.asOfUs - b.served.asOfUs);
  const first = reads.findIndex((read) => read.seq !== null);
  return {
    keyText,
    key,
    reads,
    stored,
    isStoreCompared,
    state: null,
    lastSeq: -1,
    nextUnfound: 0,
    nextRead: first < 0 ? reads.length : first,
    nextSeq: first < 0 ? Number.POSITIVE_INFINITY : reads[first]!.seq!,
    storedDifference: null,
    differingReads: 0,
  };
}
