import { MillraceError } from '../errors/millrace-error.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { InvalidRecord } from '../topic/topic-scan.ts';

const EXAMPLES = 3;
const HISTORY = -1;

/** Refuses to go on when too many of any `window` consecutive rows of a partition (or of the history) are invalid. */
export class InvalidLimit {
  readonly #source: CompiledSource;
  readonly #allowed: number;
  /** Per partition, the positions of its last invalid records, `allowed + 1` at most. */
  readonly #recent = new Map<number, number[]>();
  /** History may come in stretches, the newest first: the last position, and the first invalid ones of the stretch at hand and the one after. */
  #position = -1;
  #heads: number[] = [];
  #headsAfter: number[] = [];

  constructor(source: CompiledSource) {
    this.#source = source;
    this.#allowed = Math.floor(source.invalidLimit.rate * source.invalidLimit.window);
  }

  /** Takes the invalid records of the next batch. Throws MillraceError `too-many-invalid-records`, naming some. */
  check(records: readonly InvalidRecord[]): void {
    const ordered = records.length < 2 ? records : records.toSorted((a, b) => a.offset - b.offset);
    for (const { partition, offset } of ordered) {
      if (partition < 0) {
        if (offset < this.#position) this.#endStretch(ordered);
        this.#position = offset;
        if (this.#heads.length <= this.#allowed) this.#heads.push(offset);
      }
      this.#take(partition, offset, ordered);
    }
  }

  /** To be called after the last batch: what lies across two stretches is judged only now. Throws as `check` does. */
  end(): void {
    this.#endStretch([]);
  }

  /** The rows after the stretch came before it. */
  #endStretch(records: readonly InvalidRecord[]): void {
    for (const offset of this.#headsAfter) this.#take(HISTORY, offset, records);
    this.#headsAfter = [...this.#heads, ...this.#headsAfter].slice(0, this.#allowed + 1);
    this.#heads = [];
    this.#position = -1;
    this.#recent.delete(HISTORY);
  }

  #take(partition: number, offset: number, records: readonly InvalidRecord[]): void {
    let recent = this.#recent.get(partition);
    if (recent === undefined) this.#recent.set(partition, (recent = []));
    // Back again: what was before is no neighbour.
    if (offset < (recent.at(-1) ?? 0)) recent.length = 0;
    recent.push(offset);
    if (recent.length <= this.#allowed) return;
    const first = recent.shift() as number;
    if (offset - first < this.#source.invalidLimit.window) throw this.#exceeded(records);
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
      `source "${name}": more than ${this.#allowed} of ${invalidLimit.window} consecutive records are invalid${examples.length === 0 ? '' : `. ${examples.join(' | ')}`}`,
      {
        remedy:
          "Correct the data or the source's contract, or raise the source's invalid limit. Nothing of this backfill is kept.",
        details: { source: name, examples },
      },
    );
  }
}
