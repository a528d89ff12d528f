import { MillraceError } from '../errors/millrace-error.ts';

/** Counts the invalid ones among the last `window` records and refuses to go on when there are too many. */
export class InvalidGauge {
  readonly #source: string;
  readonly #limit: number;
  readonly #window: number;
  readonly #recent: Uint8Array;
  #at = 0;
  #invalid = 0;

  constructor(source: string, limit: { readonly rate: number; readonly window: number }) {
    this.#source = source;
    this.#limit = limit.rate * limit.window;
    this.#window = limit.window;
    this.#recent = new Uint8Array(limit.window);
  }

  valid(): void {
    this.#push(0);
  }

  /** Throws `too-many-invalid-records`, naming the reasons of the record that was one too many. */
  invalid(reasons: readonly string[]): void {
    this.#push(1);
    if (this.#invalid <= this.#limit) return;
    throw new MillraceError(
      'too-many-invalid-records',
      `source ${this.#source}: ${this.#invalid} of the last ${this.#window} records are invalid; allowed: ${this.#limit}. The last one: ${reasons.join('; ')}`,
      {
        remedy:
          "Correct the producer or the source's contract, or raise its invalid limit; nothing of this micro-batch was committed.",
        details: { source: this.#source, invalid: this.#invalid, window: this.#window },
      },
    );
  }

  #push(bit: 0 | 1): void {
    this.#invalid += bit - this.#recent[this.#at]!;
    this.#recent[this.#at] = bit;
    this.#at = this.#at + 1 === this.#window ? 0 : this.#at + 1;
  }
}
