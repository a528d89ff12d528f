/** What the dedupe of a topic needs to know of the history before it. */
export interface HistoryHorizon {
  /** The history's final watermark: the newest event time among the rows that reach dedupe, epoch µs; null without any. */
  readonly newestEventTimeUs: number | null;
  /** Packed ids (24 bytes each) that a topic record can still repeat: claimed at the watermark less the horizon, or later. */
  readonly horizonIds: Uint8Array;
}
