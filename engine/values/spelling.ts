/** What one step of an epoch number is. */
export type EpochUnit = 's' | 'ms' | 'us' | 'ns';

/** How a contract has its values spelled, where the type alone does not say: part of the field, not of the value. */
export interface Spelling {
  /** Datetimes: a text may have an offset other than Z. */
  readonly offset: boolean;
  /** Datetimes: a time without a zone counts as UTC; else it is refused. */
  readonly local: boolean;
  /** Datetimes: they are epoch numbers in this unit; null: ISO texts and timestamps. */
  readonly epoch: EpochUnit | null;
  /** Datetimes: digits finer than a microsecond are cut off (towards the past); else they must be zero. */
  readonly truncate: boolean;
  /** Doubles: rounded to 32 bits. */
  readonly float32: boolean;
}

/** The spelling of join keys, requests and command lines: any offset, and nothing else that has to be declared. */
export const KEY_SPELLING: Spelling = { offset: true, local: false, epoch: null, truncate: false, float32: false };

/** What a contract's fields have unless they say otherwise. */
export const PLAIN_SPELLING: Spelling = { ...KEY_SPELLING, offset: false };
