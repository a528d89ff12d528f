import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import { placeOf } from '../admission/invalid-record.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import { isBeyondHorizon, type PackedIds, PartitionDedupe } from '../admission/partition-dedupe.ts';
import { ReasonTally } from '../admission/reason-tally.ts';
import { tooManyInvalid } from '../admission/too-many-invalid.ts';
import { VerdictRing } from '../admission/verdict-ring.ts';
import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { type Anchor, recordDigest } from '../topic/anchor.ts';
import { type LogBatch, type PartitionEnds, type RawRecord, realEnd } from '../topic/log-reader.ts';
import { countOutcome, TopicPipeline } from '../topic/topic-pipeline.ts';
import type { ClaimedPartition } from './pair-claim.ts';

/** What a transaction changes of one partition. */
export interface SideAdvance {
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly endOffset: number;
  readonly watermarkUs: number | null;
  readonly begun: boolean;
  readonly anchor: Anchor | null;
  readonly verdicts: Uint8Array;
  readonly counts: LogCounts;
  readonly newIds: PackedIds | null;
}

/** What became of a record: an event that may pair, or why it is none. */
export type Stepped =
  | { readonly kind: 'event'; readonly event: LogEvent; readonly key: string }
  | { readonly kind: 'invalid'; readonly reasons: readonly string[] }
  | null;

/**
 * One partition of one side while a claim stands. Its records go the way of all records; then those that are late stop: older than the partition's own
 * watermark before them by more than `latenessUs`. So what may pair is a function of the partition alone, and it is known when nothing older will come.
 */
export class SidePartition {
  readonly partition: number;
  readonly #source: CompiledSource;
  readonly #latenessUs: number;
  readonly #keyOf: (row: LogEvent['row'], reasons: string[]) => string | null;
  readonly #accepted: number;
  readonly #dedupe: PartitionDedupe;
  readonly #pipeline: TopicPipeline;
  readonly #verdicts: VerdictRing;
  readonly #reasons = new ReasonTally();
  readonly #counts: LogCounts;
  #ends: PartitionEnds;
  #anchor: Anchor | null;
  #last: RawRecord | null = null;
  #fromOffset: number;
  #nextOffset: number;
  #moved = false;

  /** @param latenessUs the horizon of its dedupe too: what is not late can be told from a repeat */
  constructor(
    {
      source,
      latenessUs,
      keyOf,
      accepted,
    }: {
      readonly source: CompiledSource;
      readonly latenessUs: number;
      readonly keyOf: (row: LogEvent['row'], reasons: string[]) => string | null;
      readonly accepted: AcceptedInvalid;
    },
    claimed: ClaimedPartition,
  ) {
    this.partition = claimed.partition;
    this.#source = source;
    this.#latenessUs = latenessUs;
    this.#keyOf = keyOf;
    this.#accepted = accepted.get(claimed.partition) ?? 0;
    this.#dedupe = new PartitionDedupe(latenessUs, null);
    const { watermarkUs, begun } = claimed;
    this.#pipeline = new TopicPipeline(source, claimed.partition, this.#dedupe, {
      watermarkUs,
      begun,
      historyNewestUs: null,
    });
    this.#verdicts = new VerdictRing(source.invalidLimit, claimed.verdicts);
    this.#verdicts.accept(this.#accepted);
    this.#counts = { ...claimed.counts };
    this.#ends = claimed;
    this.#anchor = claimed.anchor;
    this.#fromOffset = claimed.nextOffset;
    this.#nextOffset = claimed.nextOffset;
  }

  /** Adds packed ids in the order they were claimed. Throws MillraceError `dedupe-ids-corrupt`. */
  load(packed: Uint8Array): void {
    this.#dedupe.load(packed);
  }

  get idBytes(): number {
    return this.#dedupe.bytes;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }

  get watermarkUs(): number | null {
    return this.#pipeline.watermarkUs;
  }

  /** The topic's ends as last seen: never before what was read. */
  get ends(): PartitionEnds {
    const readable = Math.max(this.#ends.endOffset, this.#nextOffset);
    const heldBy = readable === this.#ends.endOffset ? this.#ends.heldBy : undefined;
    return { endOffset: readable, highWatermark: Math.max(realEnd(this.#ends), this.#nextOffset), heldBy };
  }

  look(ends: PartitionEnds): void {
    this.#ends = ends;
  }

  /** Takes the next record. Throws `too-many-invalid-records`, `history-overlaps-topic`. */
  step(record: RawRecord): Stepped {
    const before = this.#pipeline.watermarkUs;
    const outcome = this.#pipeline.step(record);
    countOutcome(this.#counts, outcome);
    if (outcome.kind === 'invalid') return this.#invalid(record, outcome.reasons);
    this.#verdicts.valid();
    if (outcome.kind !== 'event' && outcome.kind !== 'undeduped') return null;
    const { event } = outcome;
    if (isBeyondHorizon(before, event.eventTimeUs, this.#latenessUs)) {
      this.#counts.late++;
      return null;
    }
    const reasons: string[] = [];
    const key = this.#keyOf(event.row, reasons);
    if (reasons.length > 0) {
      this.#counts.invalid++;
      return { kind: 'invalid', reasons };
    }
    if (key === null) {
      this.#counts.nullKey++;
      return null;
    }
    this.#counts.applied++;
    return { kind: 'event', event, key };
  }

  /** Passes a batch whose records have all been stepped through. */
  pass(batch: LogBatch): void {
    const first = batch.records[0];
    if (batch.nextOffset < this.#nextOffset || (first !== undefined && first.offset < this.#nextOffset))
      throw internalBug(`partition ${this.partition} went back: ${batch.nextOffset} after ${this.#nextOffset}`);
    this.#nextOffset = batch.nextOffset;
    this.#ends = { endOffset: batch.endOffset, highWatermark: batch.highWatermark };
    this.#last = batch.records.at(-1) ?? this.#last;
    this.#moved = true;
  }

  /** What has changed since the last call; null if nothing. */
  takeAdvance(): SideAdvance | null {
    if (!this.#moved) return null;
    this.#moved = false;
    if (this.#last !== null) this.#anchor = { offset: this.#last.offset, digest: recordDigest(this.#last) };
    this.#last = null;
    const advance: SideAdvance = {
      partition: this.partition,
      fromOffset: this.#fromOffset,
      nextOffset: this.#nextOffset,
      endOffset: realEnd(this.ends),
      watermarkUs: this.#pipeline.watermarkUs,
      begun: this.#pipeline.begun,
      anchor: this.#anchor,
      verdicts: this.#verdicts.pack(),
      counts: { ...this.#counts },
      newIds: this.#dedupe.takeNew(),
    };
    this.#fromOffset = this.#nextOffset;
    return advance;
  }

  /** Forgets ids that nothing can repeat any more. */
  expireIds(): void {
    if (this.#pipeline.watermarkUs !== null) this.#dedupe.expire(this.#pipeline.watermarkUs);
  }

  release(): void {
    this.#dedupe.release();
  }

  #invalid(record: RawRecord, reasons: readonly string[]): Stepped {
    const { partition, offset } = record;
    if (offset < this.#accepted) this.#verdicts.valid();
    else {
      this.#reasons.add(placeOf({ topic: this.#source.topic ?? '', partition, offset, file: null }), reasons);
      if (this.#verdicts.invalid(offset)) {
        const { rate, window } = this.#source.invalidLimit;
        const found = `${this.#verdicts.figures.invalid} of the last ${window} records of partition ${partition} are invalid`;
        throw tooManyInvalid(this.#source, found, `${Math.floor(rate * window)}`, this.#reasons);
      }
    }
    return { kind: 'invalid', reasons };
  }
}
