/** What the dedupe of a topic needs to know of the history before it. */
export interface HistoryHorizon {
  /** The newest event time among contract-valid rows, µs; null without any. */
  readonly newestEventTimeUs: number | null;
  /** Packed ids (24 bytes each) that can still make a topic record a duplicate. */
  readonly horizonIds: Uint8Array;
}
