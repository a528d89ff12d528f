import type { CompiledSource } from '../define/compiled-view.ts';
import type { InvalidRecord } from './invalid-record.ts';
import { placeOf } from './invalid-record.ts';
import { NumberSet } from './number-set.ts';
import { ReasonTally } from './reason-tally.ts';
import { tooManyInvalid } from './too-many-invalid.ts';
import { NewestVerdicts } from './newest-verdicts.ts';
import { VerdictRing } from './verdict-ring.ts';

/** Partition (-1: history) to the offset before which invalid records were accepted: no driver stops at them again. */
export type AcceptedInvalid = ReadonlyMap<number, number>;

/** An invalid record as the limit sees it. */
export type JudgedRecord = Pick<InvalidRecord, 'topic' | 'partition' | 'offset' | 'number' | 'file' | 'reasons'>;

/**
 * The invalid limit of a batch (design §5): too many among any `window` records in a row of a partition, and once, at the end, too large a share of all
 * records. Records may come in any order; each counts once, however often it is told.
 */
export class BatchLimit {
  readonly #source: CompiledSource;
  readonly #accepted: AcceptedInvalid;
  readonly #numbers = new Map<number, NumberSet>();
  readonly #newest = new Map<number, NewestVerdicts>();
  readonly #reasons = new ReasonTally();
  #counted = 0;
  #checkAt: number;

  constructor(source: CompiledSource, accepted: AcceptedInvalid) {
    this.#source = source;
    this.#accepted = accepted;
    this.#checkAt = this.#allowed + 1;
  }

  /** Counts an invalid record. Throws `too-many-invalid-records` soon after there are. */
  add(record: JudgedRecord): void {
    const { partition, offset, number, reasons } = record;
    if (offset < (this.#accepted.get(partition) ?? Number.NEGATIVE_INFINITY)) return;
    let numbers = this.#numbers.get(partition);
    if (numbers === undefined) {
      this.#numbers.set(partition, (numbers = new NumberSet()));
      this.#newest.set(partition, new NewestVerdicts(this.#source.invalidLimit));
    }
    if (!numbers.add(number)) return;
    this.#newest.get(partition)!.add(number, offset);
    this.#counted++;
    this.#reasons.add(placeOf(record), reasons);
    if (this.#counted < this.#checkAt) return;
    this.#checkRings();
    // Each look costs what all have cost so far: never more than two of all.
    this.#checkAt = this.#counted * 2;
  }

  /**
   * Judges the whole batch. Throws `too-many-invalid-records`.
   *
   * @param records History rows and topic records looked at.
   */
  end(records: number): void {
    this.#checkRings();
    if (this.#counted > this.#source.invalidLimit.rate * records) {
      const share = `${this.#counted} of ${records} records are invalid`;
      throw tooManyInvalid(this.#source, share, `${percent(this.#source.invalidLimit.rate)} of a batch`, this.#reasons);
    }
  }

  /** The verdicts a partition's stream goes on with. `passed`: records of it in the batch. */
  ring(partition: number, passed: number): VerdictRing {
    const ring = new VerdictRing(this.#source.invalidLimit);
    for (const { number, offset } of this.#newest.get(partition)?.ascending() ?? []) ring.invalidAt(number, offset);
    ring.validUpTo(passed);
    return ring;
  }

  get #allowed(): number {
    const { rate, window } = this.#source.invalidLimit;
    return Math.floor(rate * window);
  }

  #checkRings(): void {
    const { window } = this.#source.invalidLimit;
    for (const [partition, numbers] of this.#numbers) {
      const ring = new VerdictRing(this.#source.invalidLimit);
      for (const number of numbers) {
        if (!ring.invalidAt(number, number)) continue;
        const where = partition < 0 ? 'rows of its history' : `records of partition ${partition}`;
        const found = `${ring.figures.invalid} of ${window} consecutive ${where} are invalid`;
        throw tooManyInvalid(this.#source, found, `${this.#allowed}`, this.#reasons);
      }
    }
  }
}

function percent(rate: number): string {
  return `${rate * 100} %`;
}
