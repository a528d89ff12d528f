import { emptyPrepared } from '../define/empty-prepared.ts';
import { BIGINT, TINYINT } from 'duckdb';
import type { LogEvent, PreparedEvent } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import { scanHistory } from '../history/history-scan.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import { TopicScan } from '../topic/topic-scan.ts';
import { BYTES_PER_HELD_KEY, EntityIndex } from './entity-index.ts';
import { evenRanges } from './hash-range.ts';
import type { ReadContext } from './reading.ts';
import type { ServedPlan, ServedVersion } from './served-plan.ts';
import type { SpineEntity, TimeRange } from './spine-labels.ts';
import type { ViewsLog } from './view-logs.ts';

/** As the table of intervals has them. */
export const LAG_CODES = { 'producer-lag': 0, 'pipeline-lag': 1, ahead: 2 } as const;

/** A block whose differing labels are to be explained. */
export interface LagTarget {
  /** Of its view. */
  readonly plan: ServedPlan;
  readonly entity: SpineEntity;
  /** Table of the ids of the entities of differing labels: `id` and their keys, as the entity's own table. */
  readonly entityTable: string;
  /** Table to fill: entity, kind, from_us, until_us: labels in [from_us, until_us) see one mode's view of an event and not the other's. */
  readonly lagTable: string;
}

/**
 * Finds, for the entities of differing labels, the label times at which an event was known by event time and not served, or the other way round.
 * One scan of the source's log, in any order; several where the entities do not fit the memory.
 */
export async function stageLags(context: ReadContext, log: ViewsLog, targets: readonly LagTarget[]): Promise<void> {
  const { duckdb, signal } = context;
  const indexes: EntityIndex[] = [];
  for (const { entity, entityTable } of targets) {
    indexes.push(await EntityIndex.open(duckdb, { ...entity, table: entityTable }));
  }
  const keys = indexes.reduce((sum, index) => sum + index.size, 0);
  for (const range of evenRanges(keys, context.memory.forKeys(keys * BYTES_PER_HELD_KEY) / BYTES_PER_HELD_KEY)) {
    for (const index of indexes) await index.load(duckdb, range, signal);
    if (indexes.every((index) => index.heldCount === 0)) continue;
    const stages: LagStage[] = [];
    try {
      for (const [number, target] of targets.entries())
        stages.push(await LagStage.open(duckdb, target, indexes[number]!));
      const take = (event: LogEvent, brokerTimeUs: number): void => {
        for (const stage of stages) stage.take(event, brokerTimeUs);
      };
      await scanWithTimes(context, log, take);
    } finally {
      for (const stage of stages) stage.close();
    }
  }
}

/** Every event of a log up to a cut, with its record's broker timestamp; -Infinity for history. */
async function scanWithTimes(
  { options, duckdb, listings, signal }: ReadContext,
  { source, cut, reads }: ViewsLog,
  take: (event: LogEvent, brokerTimeUs: number) => void,
): Promise<void> {
  // Invalid records were counted, and judged, by the sweep.
  const onInvalid = (): void => undefined;
  let horizon: HistoryHorizon | null = null;
  if (source.history !== null && reads !== null) {
    const scan = scanHistory({ source, reads, order: 'any', duckdb, listings, signal, onInvalid });
    for await (const events of scan) for (const event of events) take(event, Number.NEGATIVE_INFINITY);
    horizon = scan.figures;
  }
  if (cut === null || source.topic === null || options.reader === null) return;
  const topic = new TopicScan({ source, topic: source.topic, cut, reader: options.reader, signal, onInvalid }, horizon);
  try {
    for await (const _ of topic.batches((event, { timestampUs }) => take(event, timestampUs))) signal.throwIfAborted();
  } finally {
    topic.release();
  }
}

/** One view's part of the scan. */
class LagStage {
  readonly #target: LagTarget;
  readonly #index: EntityIndex;
  readonly #appender: RowAppender;
  readonly #prepared: PreparedEvent;
  readonly #lows: readonly ReadonlyMap<number, number>[];

  private constructor(target: LagTarget, index: EntityIndex, appender: RowAppender) {
    this.#target = target;
    this.#index = index;
    this.#appender = appender;
    const { view, versions } = target.plan;
    this.#prepared = emptyPrepared(view.layout.slots);
    this.#lows = versions.map(
      ({ stored }) => new Map(stored.cut?.partitions.map(({ partition, lowOffset }) => [partition, lowOffset])),
    );
  }

  static async open(duckdb: DuckDb, target: LagTarget, index: EntityIndex): Promise<LagStage> {
    return new LagStage(
      target,
      index,
      await RowAppender.open(duckdb, target.lagTable, [BIGINT, TINYINT, BIGINT, BIGINT]),
    );
  }

  take(event: LogEvent, brokerTimeUs: number): void {
    const { view, versions } = this.#target.plan;
    if (view.prepare(event, this.#prepared) !== 'ok') return;
    const id = this.#index.idOf(this.#prepared.keyText);
    if (id === undefined) return;
    for (let at = 0; at < versions.length; at++) {
      const version = versions[at]!;
      const visibleUs = this.#visibleUs(version, this.#lows[at]!, event);
      // By event time it is known to labels from here on; served from `visibleUs` on.
      const knownUs = event.eventTimeUs + 1;
      const loggedUs = Math.min(Math.max(knownUs, brokerTimeUs), visibleUs);
      this.#add(id, LAG_CODES['producer-lag'], knownUs, loggedUs, version);
      this.#add(id, LAG_CODES['pipeline-lag'], Math.max(knownUs, loggedUs), visibleUs, version);
      this.#add(id, LAG_CODES.ahead, visibleUs, knownUs, version);
    }
  }

  close(): void {
    this.#appender.close();
  }

  /** Since when readers of a version saw an event; Infinity where it was not among what the version read. */
  #visibleUs({ commits, fromUs, untilSeq }: ServedVersion, lows: ReadonlyMap<number, number>, event: LogEvent): number {
    if (event.partition < 0) return fromUs;
    if (event.offset < (lows.get(event.partition) ?? 0)) return Number.POSITIVE_INFINITY;
    const seq = commits.seqOf(event.partition, event.offset);
    return seq > untilSeq ? Number.POSITIVE_INFINITY : Math.max(fromUs, commits.committedAtUs(seq));
  }

  #add(entity: number, kind: number, fromUs: number, untilUs: number, within: TimeRange): void {
    const from = Math.max(fromUs, within.fromUs);
    const until = Math.min(untilUs, within.untilUs);
    if (from < until) this.#appender.append(BigInt(entity), kind, BigInt(from), BigInt(until));
  }
}
