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

interface ReadDecision {
  readonly number: number;
  readonly id: string;
  readonly timeUs: number;
  /** Of the decision its label is of. */
  readonly ofTimeUs: number;
  readonly bytes: Uint8Array;
  /** Of a shadow, the row of the decision it shadows; null: its own. */
  readonly ofBytes: Uint8Array | null;
}

/**
 * Labels decisions in their order, each with its outcomes.
 *
 * @throws MillraceError `invalid-label`; `too-many-invalid-records` where `value` fails on more of them than the outcomes' source allows
 */
export async function* readLabels(reading: LabelReading): AsyncGenerator<LabelledDecision[]> {
  const { labels, counts, asOfUs, signal, onDecisions } = reading;
  const outcomes = new OutcomeCursor(readOutcomes(reading));
  const values = new PairValues(reading);
  let batch: LabelledDecision[] = [];
  let [bytes, done] = [0, 0];
  try {
    for await (const decision of readDecisions(reading)) {
      signal?.throwIfAborted();
      const row = unpackRow(decision.bytes);
      const ofRow = decision.ofBytes === null ? row : unpackRow(decision.ofBytes);
      const heard: HeardOutcome<LabelScalar>[] = [];
      for await (const outcome of outcomes.of(decision.number)) values.add(heard, decision.ofTimeUs, ofRow, outcome);
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

/** The outcomes of one decision after the other, of a stream in the order of decisions. */
class OutcomeCursor {
  readonly #stream: AsyncGenerator<ReadOutcome>;
  #next: ReadOutcome | null | undefined;

  constructor(stream: AsyncGenerator<ReadOutcome>) {
    this.#stream = stream;
  }

  async *of(number: number): AsyncGenerator<ReadOutcome> {
    if (this.#next === undefined) await this.#move();
    while (this.#next != null && this.#next.number <= number) {
      invariant(this.#next.number === number, 'outcomes are not in the order of their decisions');
      yield this.#next;
      await this.#move();
    }
  }

  async #move(): Promise<void> {
    const { done, value } = await this.#stream.next();
    this.#next = done === true ? null : value;
  }

  async close(): Promise<void> {
    await this.#stream.return(undefined);
  }
}

async function* readDecisions({ duckdb, sorted, signal }: LabelReading): AsyncGenerator<ReadDecision> {
  let expected = 0;
  for await (const chunk of duckdb.chunks(`SELECT * FROM ${sorted.decisions}`, [], signal)) {
    for (const [number, id, timeUs, ofTimeUs, row, ofRow] of chunk.getRows()) {
      invariant(Number(number) === expected++, 'decisions are not in their order');
      yield {
        number: Number(number),
        id: id as string,
        timeUs: Number(timeUs),
        ofTimeUs: Number(ofTimeUs),
        bytes: (row as DuckDBBlobValue).bytes,
        ofBytes: ofRow === null ? null : (ofRow as DuckDBBlobValue).bytes,
      };
    }
  }
}

async function* readOutcomes({ duckdb, sorted, signal }: LabelReading): AsyncGenerator<ReadOutcome> {
  for await (const chunk of duckdb.chunks(`SELECT * FROM ${sorted.outcomes}`, [], signal)) {
    for (const [number, id, timeUs, knownUs, arrivedUs, partition, pos, row] of chunk.getRows()) {
      yield {
        number: Number(number),
        id: id as string,
        timeUs: Number(timeUs),
        knownAtUs: Number(knownUs),
        arrivedUs: Number(arrivedUs),
        partition: Number(partition),
        offset: Number(pos),
        bytes: (row as DuckDBBlobValue).bytes,
      };
    }
  }
}
