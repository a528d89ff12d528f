import type { CompiledSource, LogEvent } from '../define/compiled-view.ts';
import { internalBug, invariant, isMillraceError } from '../errors/millrace-error.ts';
import { type Anchor, recordDigest } from './anchor.ts';
import { checkAnchor } from './check-anchor.ts';
import type { Cut, CutPartition } from './cut.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { LogBatch, LogReader, RawRecord } from './log-reader.ts';
import { ClaimPool } from '../admission/claim-pool.ts';
import { HistoryIds, PartitionDedupe } from '../admission/partition-dedupe.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { processMemory } from '../memory/process-memory.ts';
import { ScanIds } from './scan-ids.ts';
import { offsetsGone, topicRecreated } from './topic-errors.ts';
import { brokerTimestampUs } from './record-judge.ts';
import { countOutcome, TopicPipeline } from './topic-pipeline.ts';

/** What a scan leaves of one partition: where and how the stream goes on. */
export interface PartitionFigures {
  readonly partition: number;
  readonly lowOffset: number;
  /** E[p]; the stream's first offset. */
  readonly endOffset: number;
  /** The partition's watermark at the cut, the history's newest event time included. */
  readonly watermarkUs: number | null;
  /** Whether a record of it has reached dedupe. */
  readonly begun: boolean;
  /** Packed own ids that are still known at the cut. */
  readonly dedupeIds: Uint8Array;
  /** The last record passed; null where there was none. */
  readonly anchor: Anchor | null;
  readonly counts: LogCounts;
}

/** Where a scan stands in one partition, in plain JSON: another one goes on from it. */
export interface PartitionPoint extends CutPartition {
  readonly nextOffset: number;
  readonly watermarkUs: number | null;
  readonly begun: boolean;
  readonly counts: LogCounts;
  /** The last record passed; its digest in hex. */
  readonly anchor: { readonly offset: number; readonly digest: string } | null;
}

/** What a scan goes on from: the points of all partitions of the cut, and by partition the ids claimed before them, packed, in their order. */
export interface SavedTopic {
  readonly points: readonly PartitionPoint[];
  readonly ids: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** Ids that were claimed in a partition (-1: the history), packed in the order they were. */
export interface NewIds {
  readonly partition: number;
  readonly ids: Uint8Array;
}

export interface TopicScanOptions {
  readonly source: CompiledSource;
  readonly topic: string;
  readonly cut: Cut;
  readonly reader: LogReader;
  /** What another scan up to the same cut had passed; left out: nothing. */
  readonly from?: SavedTopic | undefined;
  /** Whether `point` will be asked for. */
  readonly isSaved?: boolean | undefined;
  /** Where its ids are counted. Default: the memory of the process. */
  readonly memory?: MemoryBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what the read waits for where that lasts: `ReadOptions.onWait`. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  /** Told of offsets passed since the beginning of the cut, of how many; in all partitions, whoever passed them. */
  onProgress?: ((records: number, totalRecords: number) => void) | undefined;
  onInvalid(record: InvalidRecord): void;
}

interface Part extends CutPartition {
  endOffset: number;
  readonly pipeline: TopicPipeline;
  readonly dedupe: PartitionDedupe;
  readonly pool: ClaimPool;
  readonly counts: LogCounts;
  nextOffset: number;
  /** Of the last record passed by this scan; else of the one that the scan it goes on from passed last. */
  anchor: Anchor | null;
}

/** One record that became an event, with its bytes. */
export type AcceptedRecord = (event: LogEvent, record: RawRecord) => void;

/** A topic up to a cut: every record of every partition passes its pipeline exactly once. */
export class TopicScan {
  readonly #options: TopicScanOptions;
  readonly #historyIds: HistoryIds | null;
  readonly #historyPool = new ClaimPool();
  readonly #historyNewestUs: number | null;
  readonly #parts: Part[];
  readonly #ids: ScanIds;

  constructor(options: TopicScanOptions, horizon: HistoryHorizon | null) {
    this.#options = options;
    this.#historyIds =
      horizon === null || horizon.horizonIds.length === 0
        ? null
        : new HistoryIds([horizon.horizonIds], this.#historyPool);
    this.#historyNewestUs = horizon?.newestEventTimeUs ?? null;
    this.#ids = new ScanIds(options.memory ?? processMemory(), `ids of topic ${options.topic}`);
    this.#parts = options.cut.partitions.map((bounds) => this.#part(bounds));
  }

  /**
   * Moves the end of partitions on: the next `batches` reads from where the last one ended, as the stream goes on after a batch. A
   * partition the topic has gained since the cut starts at 0.
   */
  extendTo(ends: Iterable<{ readonly partition: number; readonly endOffset: number }>): void {
    for (const { partition, endOffset } of ends) {
      const known = this.#parts.find((part) => part.partition === partition);
      if (known === undefined) this.#parts.push(this.#part({ partition, lowOffset: 0, endOffset }));
      else if (endOffset >= known.endOffset) known.endOffset = endOffset;
      else throw internalBug(`partition ${partition}: an end went back from ${known.endOffset} to ${endOffset}`);
    }
  }

  #part(bounds: CutPartition): Part {
    const { source, from, isSaved } = this.#options;
    const point = from?.points.find(({ partition }) => partition === bounds.partition);
    const pool = new ClaimPool();
    const dedupe = new PartitionDedupe(source.dedupeHorizonUs, this.#historyIds, pool, isSaved ?? false);
    const historyNewestUs = this.#historyNewestUs;
    const { watermarkUs, begun } = point ?? { watermarkUs: historyNewestUs, begun: false };
    for (const ids of from?.ids.get(bounds.partition) ?? []) dedupe.load(ids);
    const pipeline = new TopicPipeline(source, bounds.partition, dedupe, { watermarkUs, begun, historyNewestUs });
    return {
      ...bounds,
      pipeline,
      dedupe,
      pool,
      counts: { ...emptyCounts(), ...point?.counts },
      nextOffset: point?.nextOffset ?? bounds.lowOffset,
      anchor: point?.anchor == null ? null : { ...point.anchor, digest: Buffer.from(point.anchor.digest, 'hex') },
    };
  }

  /** Where it stands, between two batches, with the ids claimed since the last call. */
  point(): { readonly points: readonly PartitionPoint[]; readonly newIds: readonly NewIds[] } {
    invariant(this.#options.isSaved === true, 'the point of a scan was asked for that is not saved');
    const points = this.#parts.map((part): PartitionPoint => {
      const { partition, lowOffset, endOffset, nextOffset, pipeline, counts, anchor } = part;
      const { watermarkUs, begun } = pipeline;
      return {
        partition,
        lowOffset,
        endOffset,
        nextOffset,
        watermarkUs,
        begun,
        counts: { ...counts },
        anchor: anchor === null ? null : { ...anchor, digest: Buffer.from(anchor.digest).toString('hex') },
      };
    });
    const newIds = this.#parts.flatMap(({ partition, dedupe }) => {
      const taken = dedupe.takeNew();
      return taken === null ? [] : [{ partition, ids: taken.ids }];
    });
    return { points, newIds };
  }

  /**
   * Reads to the cut, handing each event on. `release` it when it has ended for good.
   *
   * @throws MillraceError `offsets-gone`, `topic-recreated`, `memory-limit-too-small`, and what the reader throws.
   */
  async *batches(accept: AcceptedRecord): AsyncGenerator<void> {
    const { topic, reader, signal, onWait } = this.#options;
    await this.#checkBounds();
    await this.#checkAnchors();
    const open = this.#parts.filter((part) => part.nextOffset < part.endOffset);
    if (open.length === 0) return;
    const positions = new Map(open.map((part) => [part.partition, part.nextOffset]));
    const ends = new Map(open.map((part) => [part.partition, part.endOffset]));
    const total = this.#parts.reduce((sum, part) => sum + part.endOffset - part.lowOffset, 0);
    let passed = this.#parts.reduce((sum, part) => sum + part.nextOffset - part.lowOffset, 0);
    try {
      for await (const batch of reader.read({ topic, positions, ends, signal, onWait })) {
        signal?.throwIfAborted();
        passed += this.#pass(batch, accept);
        this.#countIds();
        this.#options.onProgress?.(passed, total);
        yield;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // Retention may have overtaken the read; then the bounds tell so by name.
      if (isMillraceError(error) && error.code === 'offset-out-of-range') await this.#checkBounds();
      throw error;
    }
    signal?.throwIfAborted();
    const short = this.#parts.find((part) => part.nextOffset !== part.endOffset);
    if (short !== undefined) {
      throw internalBug(
        `topic "${topic}", partition ${short.partition}: the read ended at ${short.nextOffset}, the cut is at ${short.endOffset}`,
      );
    }
  }

  figures(): PartitionFigures[] {
    return this.#parts.map(({ partition, lowOffset, endOffset, pipeline, dedupe, counts, anchor }) => {
      const { watermarkUs, begun } = pipeline;
      const dedupeIds = dedupe.snapshot(watermarkUs);
      return { partition, lowOffset, endOffset, watermarkUs, begun, dedupeIds, anchor, counts };
    });
  }

  /** Gives its ids back. Nothing may be asked of it from then on. */
  release(): void {
    for (const { dedupe } of this.#parts) dedupe.release();
    this.#historyIds?.release();
    this.#ids.release();
  }

  #countIds(): void {
    let bytes = (this.#historyIds?.bytes ?? 0) + this.#historyPool.bytes;
    for (const { dedupe, pool } of this.#parts) bytes += dedupe.bytes + pool.bytes;
    this.#ids.count(bytes);
  }

  #pass(batch: LogBatch, accept: AcceptedRecord): number {
    const part = this.#parts.find(({ partition }) => partition === batch.partition);
    const { topic } = this.#options;
    if (part === undefined)
      throw internalBug(`topic "${topic}": a batch of partition ${batch.partition}, which is not in the cut`);
    const { counts, pipeline } = part;
    const from = part.nextOffset;
    for (const record of batch.records) {
      if (record.offset < part.nextOffset || record.offset >= part.endOffset) {
        throw internalBug(
          `topic "${topic}", partition ${part.partition}: offset ${record.offset} came after ${part.nextOffset - 1}, the cut is at ${part.endOffset}`,
        );
      }
      part.nextOffset = record.offset + 1;
      const number = counts.records;
      const outcome = pipeline.step(record);
      countOutcome(counts, outcome);
      switch (outcome.kind) {
        case 'event':
        case 'undeduped':
          outcome.event.number = number;
          accept(outcome.event, record);
          break;
        case 'invalid':
          this.#options.onInvalid({
            topic,
            partition: part.partition,
            offset: record.offset,
            number,
            file: null,
            payload: record.value,
            reasons: outcome.reasons,
            brokerTimestampUs: brokerTimestampUs(record),
          });
          break;
        case 'tombstone':
        case 'outside-until':
        case 'duplicate':
      }
    }
    if (batch.nextOffset < part.nextOffset || batch.nextOffset > part.endOffset) {
      throw internalBug(
        `topic "${topic}", partition ${part.partition}: a batch went on to ${batch.nextOffset}, not between ${part.nextOffset} and ${part.endOffset}`,
      );
    }
    const last = batch.records.at(-1);
    // Not the record itself, which would hold all that was fetched with it.
    if (last !== undefined) part.anchor = { offset: last.offset, digest: recordDigest(last) };
    part.nextOffset = batch.nextOffset;
    return part.nextOffset - from;
  }

  /** Refuses a topic that is another one than the scan that this one goes on from has read. */
  async #checkAnchors(): Promise<void> {
    const { topic, reader, from } = this.#options;
    if (from === undefined) return;
    const { partitions } = await reader.bounds(topic);
    for (const { partition, anchor } of this.#parts) {
      const held = partitions.find((each) => each.partition === partition);
      if (anchor !== null) await checkAnchor({ reader, topic, partition, held }, anchor);
    }
  }

  /** Refuses a topic that no longer holds what the cut promises. */
  async #checkBounds(): Promise<void> {
    const { topic, reader, cut } = this.#options;
    const bounds = await reader.bounds(topic);
    const present = new Map(bounds.partitions.map((part) => [part.partition, part]));
    for (const part of this.#parts) {
      const now = present.get(part.partition);
      if (bounds.clusterId !== cut.clusterId || now === undefined || now.endOffset < part.endOffset) {
        const found = now === undefined ? 'no such partition' : `an end at ${now.endOffset}`;
        throw topicRecreated(
          `${topic}, partition ${part.partition}: expected records up to offset ${part.endOffset} in cluster ${cut.clusterId}, found ${found} in cluster ${bounds.clusterId}`,
        );
      }
      if (part.nextOffset < part.endOffset && now.lowOffset > part.nextOffset)
        throw offsetsGone(topic, part.partition, part.nextOffset, now.lowOffset);
    }
  }
}
