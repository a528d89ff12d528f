import type { DecodeResult, Row } from '../contract/compiled-contract.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { RawRecord } from '../topic/log-reader.ts';
import { brokerTimestampUs, type JudgedRecord, recordJudge } from '../topic/record-judge.ts';
import { BucketState, PARTITION } from './bucket-state.ts';
import { bucketKey, type BucketTime, settledTime, timeOfKey } from './bucket-time.ts';
import { FieldLexicon } from './field-lexicon.ts';
import { monitoredFields } from './monitored-field.ts';
import { reasonText } from './reason-text.ts';
import { RecordBatch } from './record-batch.ts';

/** What some records tell of one bucket: `BucketState` as it is stored. */
export interface MonitorPart extends BucketTime {
  readonly state: Uint8Array;
  /** The newest time that all records of the gathering told of. */
  readonly newestMs: number | null;
}

/** What states hold at most before they are put into bytes: numbers, about. */
const MOST_HELD = 2_000_000;
/** The partition of what a history's files hold. */
export const HISTORY = 'history';

/** How records are gathered. */
export interface GatherOptions {
  /** Of a source's gatherings one after the other; no two may be open at once. */
  readonly lexicons?: readonly FieldLexicon[] | undefined;
  /** Numbers, about, that are held before they are put into bytes. */
  readonly mostHeld?: number | undefined;
  /** Later than any clock may be, UTC epoch µs: what says that it was written later ends no hour. Default: there is none. */
  readonly latestUs?: number | undefined;
  /** By the time that a record counts at, UTC epoch µs; the others tell of the newest time alone. Default: all. */
  readonly keeps?: ((timeUs: number) => boolean) | undefined;
}

/**
 * Gathers what records tell of their hours. Which records come in which order, and how they are split among gatherings, shows in nothing: the parts of all
 * gatherings merge to the same states.
 *
 * @example
 * const gatherer = new RecordGatherer(source);
 * for (const record of records) gatherer.add(record);
 * const parts = gatherer.finish();
 */
export class RecordGatherer {
  readonly #judge: (record: RawRecord, decoded?: DecodeResult) => JudgedRecord;
  readonly #batch: RecordBatch;
  readonly #mostHeld: number;
  readonly #latestUs: number;
  readonly #keeps: (timeUs: number) => boolean;
  #states = new Map<string, { readonly time: BucketTime; readonly bucket: BucketState }>();
  #hours = new Map<number, BucketState>();
  #parts: Omit<MonitorPart, 'newestMs'>[] = [];
  #newestUs: number | null = null;

  constructor(source: CompiledSource, options: GatherOptions = {}) {
    const { lexicons = fieldLexicons(source), mostHeld = MOST_HELD, keeps = () => true } = options;
    this.#latestUs = options.latestUs ?? Number.POSITIVE_INFINITY;
    this.#keeps = keeps;
    this.#judge = recordJudge(source);
    this.#mostHeld = mostHeld;
    this.#batch = new RecordBatch(lexicons, source.segments ?? [], (key) => this.#bucketOf(key));
  }

  /** Hot path. @param decoded of the record's value, where that was decoded before */
  add(record: RawRecord, decoded?: DecodeResult): void {
    const judged = this.#judge(record, decoded);
    const brokerUs = brokerTimestampUs(record);
    if (judged.kind === 'row') {
      this.addRow(judged.row, judged.eventTimeUs, brokerUs, record.partition);
      return;
    }
    if (judged.kind === 'invalid') this.addInvalid(judged.reasons, brokerUs, record.partition);
    else this.#count('leftOut', judged.kind, brokerUs ?? 0, record.partition);
  }

  /** A valid row. @param partition that of a topic, or `HISTORY` */
  addRow(row: Row, eventTimeUs: number, brokerUs: number | null, partition: number | string): void {
    // A clock that jumps ahead, of a producer alone, ends no hour.
    const toldUs = brokerUs === null ? eventTimeUs : Math.min(eventTimeUs, brokerUs);
    if (toldUs <= this.#latestUs && (this.#newestUs === null || toldUs > this.#newestUs)) this.#newestUs = toldUs;
    if (!this.#keeps(eventTimeUs)) return;
    const hour = bucketKey(eventTimeUs, Math.min(brokerUs ?? eventTimeUs, this.#latestUs));
    if (this.#batch.add(row, hour, brokerUs === null ? Number.NaN : brokerUs - eventTimeUs, partition)) this.#flush();
  }

  /** What is no record to the contract has no event time: it counts at its broker's, without that in the first hour of 1970. By its first reason. */
  addInvalid(reasons: readonly string[], brokerUs: number | null, partition: number | string): void {
    this.#count('invalid', reasonText(reasons[0] ?? 'invalid'), brokerUs ?? 0, partition);
  }

  #count(as: 'invalid' | 'leftOut', reason: string, timeUs: number, partition: number | string): void {
    if (!this.#keeps(timeUs)) return;
    const bucket = this.#bucketOf(bucketKey(timeUs, this.#latestUs));
    for (const state of [bucket.whole, bucket.named(PARTITION).target(`${partition}`)]) {
      state.records++;
      state[as].add(reason, 1);
    }
  }

  /** All that was gathered; the gatherer begins anew. */
  finish(): MonitorPart[] {
    this.#batch.flush();
    this.#settle();
    this.#store();
    const newestMs = this.#newestUs === null ? null : Math.floor(this.#newestUs / 1000);
    const parts = this.#parts.map((part) => ({ ...part, newestMs }));
    this.#parts = [];
    this.#newestUs = null;
    return parts;
  }

  #bucketOf(key: number): BucketState {
    const held = this.#hours.get(key);
    if (held !== undefined) return held;
    const bucket = this.#stateAt(timeOfKey(key));
    this.#hours.set(key, bucket);
    return bucket;
  }

  #stateAt(time: BucketTime): BucketState {
    const key = `${time.grain} ${time.beginMs}`;
    let state = this.#states.get(key);
    if (state === undefined) {
      state = { time, bucket: new BucketState() };
      this.#states.set(key, state);
    }
    return state.bucket;
  }

  #flush(): void {
    this.#batch.flush();
    if (this.#held() <= this.#mostHeld) return;
    this.#settle();
    if (this.#held() > this.#mostHeld / 2) this.#store();
  }

  #held(): number {
    let held = 0;
    for (const { bucket } of this.#states.values()) held += bucket.size;
    return held;
  }

  /** Puts what is old into days and weeks. */
  #settle(): void {
    const newestMs = this.#newestUs === null ? null : this.#newestUs / 1000;
    const before = this.#states;
    this.#states = new Map();
    this.#hours = new Map();
    for (const { time, bucket } of before.values()) this.#stateAt(settledTime(time, newestMs)).merge(bucket);
  }

  #store(): void {
    for (const { time, bucket } of this.#states.values()) this.#parts.push({ ...time, state: bucket.stored() });
    this.#states = new Map();
    this.#hours = new Map();
  }
}

/** The lexicons of a source's fields: kept from one gathering to the next, values are looked at once. */
export function fieldLexicons(source: CompiledSource): FieldLexicon[] {
  return monitoredFields(source).map((field) => new FieldLexicon(field));
}
