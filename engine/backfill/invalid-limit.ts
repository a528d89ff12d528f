import { MillraceError } from '../errors/millrace-error.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { InvalidRecord } from '../log/topic-scan.ts';

const EXAMPLES = 3;

/** Refuses to go on when too many of any `window` consecutive rows of a partition (or of the history) are invalid. */
export class InvalidLimit {
  readonly #source: CompiledSource;
  readonly #allowed: number;
  /** Per partition, the positions of its last invalid records, `allowed + 1` at most. */
  readonly #recent = new Map<number, number[]>();

  constructor(source: CompiledSource) {
    this.#source = source;
    this.#allowed = Math.floor(source.invalidLimit.rate * source.invalidLimit.window);
  }

  /** Takes the invalid records of the next batch. Throws MillraceError `too-many-invalid-records`, naming some. */
  check(records: readonly InvalidRecord[]): void {
    const ordered = records.length < 2 ? records : records.toSorted((a, b) => a.offset - b.offset);
    const { window } = this.#source.invalidLimit;
    for (const { partition, offset } of ordered) {
      let recent = this.#recent.get(partition);
      if (recent === undefined) this.#recent.set(partition, (recent = []));
      recent.push(offset);
      if (recent.length <= this.#allowed) continue;
      const first = recent.shift() as number;
      if (offset - first < window) throw this.#exceeded(ordered);
    }
  }

  #exceeded(records: readonly InvalidRecord[]): MillraceError {
    const { name, invalidLimit } = this.#source;
    const examples = records.slice(0, EXAMPLES).map(({ topic, partition, offset, file, reasons }) => {
      const where =
        file === null ? `${topic}, partition ${partition}, offset ${offset}` : `${file}, position ${offset}`;
      return `${where}: ${reasons.join('; ')}`;
    });
    return new MillraceError(
      'too-many-invalid-records',
      `source "${name}": more than ${this.#allowed} of ${invalidLimit.window} consecutive records are invalid. ${examples.join(' | ')}`,
      {
        remedy:
          "Correct the data or the source's contract, or raise the source's invalid limit. Nothing of this backfill is kept.",
        details: { source: name, examples },
      },
    );
  }
}
