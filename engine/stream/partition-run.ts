import { VerdictRing } from '../admission/verdict-ring.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { recordDigest } from '../topic/anchor.ts';
import { type LogBatch, type PartitionEnds, type RawRecord, realEnd } from '../topic/log-reader.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { PartitionDedupe } from '../admission/partition-dedupe.ts';
import { TopicPipeline } from '../topic/topic-pipeline.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { ClaimedPartition } from './claim.ts';
import type { PartitionAdvance } from './micro-batch.ts';

/** One partition while a claim stands: its pipeline, and how far it is, ahead of the database by what is not committed yet. */
export class PartitionRun {
  readonly partition: number;
  readonly pipeline: TopicPipeline;
  readonly counts: LogCounts;
  readonly #dedupe: PartitionDedupe;
  #fromOffset: number;
  #anchor: PartitionAdvance['anchor'];
  #lastRecord: RawRecord | null = null;
  #moved = false;
  nextOffset: number;
  /** What of the topic can be read, and what there is, as last seen. */
  #ends: PartitionEnds;
  committedOffset: number;

  readonly verdicts: VerdictRing;

  constructor(
    source: CompiledSource,
    claimed: ClaimedPartition,
    dedupe: PartitionDedupe,
    historyNewestUs: number | null,
  ) {
    this.partition = claimed.partition;
    this.pipeline = new TopicPipeline(source, claimed.partition, dedupe, {
      watermarkUs: claimed.watermarkUs,
      begun: claimed.begun,
      historyNewestUs,
    });
    this.verdicts = new VerdictRing(source.invalidLimit, claimed.verdicts);
    this.counts = { ...claimed.counts };
    this.#dedupe = dedupe;
    this.#anchor = claimed.anchor;
    this.#fromOffset = claimed.nextOffset;
    this.nextOffset = claimed.nextOffset;
    this.committedOffset = claimed.nextOffset;
    this.#ends = claimed;
  }

  /** The topic's ends as last seen: never before what was read. */
  get ends(): PartitionEnds {
    const { endOffset, heldBy } = this.#ends;
    const readable = Math.max(endOffset, this.nextOffset);
    // Who holds it back is told of the very transaction that does.
    return { endOffset: readable, highWatermark: this.realEnd, heldBy: readable === endOffset ? heldBy : undefined };
  }

  /** The end that lag counts to. */
  get realEnd(): number {
    return Math.max(realEnd(this.#ends), this.nextOffset);
  }

  /** Takes note of the partition's ends. */
  look(ends: PartitionEnds): void {
    this.#ends = ends;
  }

  /** Passes a batch whose records have all been stepped through. */
  pass(batch: LogBatch): void {
    const first = batch.records[0];
    if (batch.nextOffset < this.nextOffset || (first !== undefined && first.offset < this.nextOffset)) {
      throw internalBug(
        `partition ${this.partition} went back: ${first?.offset ?? batch.nextOffset} after ${this.nextOffset}`,
      );
    }
    this.nextOffset = batch.nextOffset;
    this.#ends = { endOffset: batch.endOffset, highWatermark: batch.highWatermark };
    this.#lastRecord = batch.records.at(-1) ?? this.#lastRecord;
    this.#moved = true;
  }

  /** What has changed since the last call; null if nothing. */
  takeAdvance(): PartitionAdvance | null {
    if (!this.#moved) return null;
    this.#moved = false;
    if (this.#lastRecord !== null)
      this.#anchor = { offset: this.#lastRecord.offset, digest: recordDigest(this.#lastRecord) };
    this.#lastRecord = null;
    const advance: PartitionAdvance = {
      partition: this.partition,
      fromOffset: this.#fromOffset,
      nextOffset: this.nextOffset,
      endOffset: this.realEnd,
      watermarkUs: this.pipeline.watermarkUs,
      anchor: this.#anchor,
      counts: { ...this.counts },
      newIds: this.#dedupe.takeNew(),
      begun: this.pipeline.begun,
      verdicts: this.verdicts.pack(),
      mostlyInvalid: this.verdicts.isMostlyInvalid,
    };
    this.#fromOffset = this.nextOffset;
    return advance;
  }

  /** Forgets ids beyond the horizon. */
  expireIds(): void {
    if (this.pipeline.watermarkUs !== null) this.#dedupe.expire(this.pipeline.watermarkUs);
  }
}
