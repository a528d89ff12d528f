import type { DuckDBBlobValue } from 'duckdb';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import { ReasonTally } from '../admission/reason-tally.ts';
import { tooManyInvalid } from '../admission/too-many-invalid.ts';
import { placeOf } from '../admission/invalid-record.ts';
import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { Row } from '../define/compiled-view.ts';
import type { LabelScalar } from '../define/label-set.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { invariant } from '../errors/millrace-error.ts';
import { type HeardOutcome, labelOf } from '../evidence/label-rule.ts';
import type { LabelCounts, LabelledDecision } from './label-scan.ts';
import { unpackRow } from './packed-row.ts';
import type { SortedLabels } from './sort-labels.ts';

const BATCH_DECISIONS = 1024;
const BATCH_BYTES = 2 << 20;

/** What reading labels takes. */
export interface LabelReading {
  readonly labels: CompiledLabelSet;
  readonly duckdb: DuckDb;
  readonly sorted: SortedLabels;
  readonly asOfUs: number;
  readonly counts: LabelCounts;
  readonly signal: AbortSignal | undefined;
  readonly onInvalid: ((record: InvalidRecord) => void) | undefined;
  readonly onDecisions: (done: number) => void;
}

/** An outcome of the decision of that number. */
interface ReadOutcome {
  readonly number: number;
  readonly id: string;
  readonly timeUs: number;
  readonly knownAtUs: number;
  readonly arrivedUs: number;
  readonly partition: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The row of a decision that the one of that number shadows. */
interface ReadShadowed {
  readonly number: number;
  readonly bytes: Uint8Array;
}

interface ReadDecision {
  readonly number: number;
  readonly id: string;
  readonly timeUs: number;
  /** Of the decision its label is of. */
  readonly ofTimeUs: number;
  readonly bytes: Uint8Array;
}

/**
 * Labels decisions in their order, each with its outcomes.
 *
 * @throws MillraceError `invalid-label`; `too-many-invalid-records` where `value` fails on more of them than the outcomes' source allows
 */
export async function* readLabels(reading: LabelReading): AsyncGenerator<LabelledDecision[]> {
  const { labels, counts, asOfUs, signal, onDecisions } = reading;
  const outcomes = new Cursor(readOutcomes(reading));
  const shadowed = new Cursor(readShadowed(reading));
  const values = new PairValues(reading);
  let batch: LabelledDecision[] = [];
  let [bytes, done] = [0, 0];
  try {
    for await (const decision of readDecisions(reading)) {
      signal?.throwIfAborted();
      const row = unpackRow(decision.bytes);
      let ofRow = row;
      while (await shadowed.isAt(decision.number)) ofRow = unpackRow(shadowed.take().bytes);
      const heard: HeardOutcome<LabelScalar>[] = [];
      while (await outcomes.isAt(decision.number)) values.add(heard, decision.ofTimeUs, ofRow, outcomes.take());
      const label = labelOf(decision.ofTimeUs, heard, labels, asOfUs);
      invariant(label.kind !== 'immature', 'an immature decision was joined');
      counts[label.kind === 'label' ? 'labelled' : 'leftOut']++;
      counts.afterMaturity += label.afterMaturity;
      batch.push({ id: decision.id, timeUs: decision.timeUs, row, label });
      bytes += decision.bytes.length;
      done++;
      if (batch.length < BATCH_DECISIONS && bytes < BATCH_BYTES) continue;
      yield batch;
      onDecisions(done);
      batch = [];
      bytes = 0;
    }
  } finally {
    await outcomes.close();
    await shadowed.close();
  }
  values.judge();
  if (batch.length > 0) yield batch;
  onDecisions(done);
}

/** What outcomes say of decisions, by the label set's own function. */
class PairValues {
  readonly #reading: LabelReading;
  readonly #reasons = new ReasonTally();
  #pairs = 0;
  #failed = 0;

  constructor(reading: LabelReading) {
    this.#reading = reading;
  }

  add(heard: HeardOutcome<LabelScalar>[], decidedUs: number, decision: Row, outcome: ReadOutcome): void {
    const { labels, counts, onInvalid } = this.#reading;
    const { id, timeUs, knownAtUs, arrivedUs, partition, offset } = outcome;
    const reasons: string[] = [];
    this.#pairs++;
    const value = labels.value(decision, unpackRow(outcome.bytes), reasons);
    if (reasons.length > 0) {
      const topic = partition < 0 ? 'history' : (labels.outcomes.topic ?? '');
      const place = { topic, partition, offset, number: offset, file: null };
      this.#failed++;
      counts.invalid++;
      this.#reasons.add(placeOf(place), reasons);
      onInvalid?.({ ...place, payload: null, reasons, brokerTimestampUs: null });
    }
    if (value === null) return;
    const matureUs = decidedUs + labels.matureAfterUs;
    if (knownAtUs <= matureUs && arrivedUs > matureUs) counts.arrivedLate++;
    heard.push({ id, timeUs, knownAtUs, value });
  }

  /** Refuses a function that fails too often. */
  judge(): void {
    const { outcomes } = this.#reading.labels;
    const { rate } = outcomes.invalidLimit;
    if (this.#failed <= rate * this.#pairs) return;
    const share = `the label set's \`value\` fails on ${this.#failed} of ${this.#pairs} outcomes`;
    throw tooManyInvalid(outcomes, share, `${rate * 100} %`, this.#reasons);
  }
}

/** What belongs to one decision after the other, of a stream in their order. */
class Cursor<Item extends { readonly number: number }> {
  readonly #stream: AsyncGenerator<Item[]>;
  #items: readonly Item[] = [];
  #at = 0;
  #isEnded = false;

  constructor(stream: AsyncGenerator<Item[]>) {
    this.#stream = stream;
  }

  /** Whether the next one belongs to the decision of that number. */
  async isAt(number: number): Promise<boolean> {
    while (this.#at >= this.#items.length && !this.#isEnded) {
      const { done, value } = await this.#stream.next();
      this.#isEnded = done === true;
      this.#items = value ?? [];
      this.#at = 0;
    }
    const next = this.#items[this.#at];
    invariant(next === undefined || next.number >= number, 'what belongs to decisions is not in their order');
    return next?.number === number;
  }

  take(): Item {
    return this.#items[this.#at++]!;
  }

  async close(): Promise<void> {
    await this.#stream.return(undefined);
  }
}

async function* readDecisions({ duckdb, sorted, signal }: LabelReading): AsyncGenerator<ReadDecision> {
  let expected = 0;
  for await (const chunk of duckdb.chunks(`SELECT * FROM ${sorted.decisions}`, [], signal)) {
    for (const [number, id, timeUs, ofTimeUs, row] of chunk.getRows()) {
      invariant(Number(number) === expected++, 'decisions are not in their order');
      yield {
        number: Number(number),
        id: id as string,
        timeUs: Number(timeUs),
        ofTimeUs: Number(ofTimeUs),
        bytes: (row as DuckDBBlobValue).bytes,
      };
    }
  }
}

async function* readShadowed({ duckdb, sorted, signal }: LabelReading): AsyncGenerator<ReadShadowed[]> {
  for await (const chunk of duckdb.chunks(`SELECT * FROM ${sorted.shadowed}`, [], signal))
    yield chunk.getRows().map(([number, row]) => ({ number: Number(number), bytes: (row as DuckDBBlobValue).bytes }));
}

async function* readOutcomes({ duckdb, sorted, signal }: LabelReading): AsyncGenerator<ReadOutcome[]> {
  for await (const chunk of duckdb.chunks(`SELECT * FROM ${sorted.outcomes}`, [], signal))
    yield chunk.getRows().map(([number, id, timeUs, knownUs, arrivedUs, partition, pos, row]) => ({
      number: Number(number),
      id: id as string,
      timeUs: Number(timeUs),
      knownAtUs: Number(knownUs),
      arrivedUs: Number(arrivedUs),
      partition: Number(partition),
      offset: Number(pos),
      bytes: (row as DuckDBBlobValue).bytes,
    }));
}
