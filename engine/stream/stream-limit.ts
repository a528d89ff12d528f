import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import { placeOf } from '../admission/invalid-record.ts';
import { ReasonTally } from '../admission/reason-tally.ts';
import { tooManyInvalid } from '../admission/too-many-invalid.ts';
import type { VerdictRing } from '../admission/verdict-ring.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { RawRecord } from '../topic/log-reader.ts';

/** The invalid limit of a stream: what a partition's ring says, in words, but for records that were accepted. */
export class StreamLimit {
  readonly #source: CompiledSource;
  readonly #accepted: AcceptedInvalid;
  /** Since the claim: what the ring was loaded with has no reasons any more. */
  readonly #reasons = new ReasonTally();

  constructor(source: CompiledSource, accepted: AcceptedInvalid) {
    this.#source = source;
    this.#accepted = accepted;
  }

  /** Passes an invalid record. Throws `too-many-invalid-records`. */
  invalid({ partition, offset }: RawRecord, verdicts: VerdictRing, reasons: readonly string[]): void {
    if (offset < (this.#accepted.get(partition) ?? 0)) {
      verdicts.valid();
      return;
    }
    this.#reasons.add(placeOf({ topic: this.#source.topic ?? '', partition, offset, file: null }), reasons);
    if (!verdicts.invalid(offset)) return;
    const { rate, window } = this.#source.invalidLimit;
    const found = `${verdicts.figures.invalid} of the last ${window} records of partition ${partition} are invalid`;
    throw tooManyInvalid(this.#source, found, `${Math.floor(rate * window)}`, this.#reasons);
  }
}
