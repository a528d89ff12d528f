import { MillraceError } from '../errors/millrace-error.ts';
import { type CommitRow, CommitTimeline, type MergedCommits, type TimelineStart } from './commit-timeline.ts';

/** Collects the commits of a version in order of seq and makes their timeline. */
export class TimelineBuilder {
  readonly #of: TimelineStart;
  readonly #fingerprint: string | null;
  readonly #partitions = new Map<number, { startOffset: number; end: number; seqs: Growing; untils: Growing }>();
  readonly #seqs = new Growing();
  readonly #times = new Growing();
  readonly #ids: bigint[] = [];
  readonly #merged: readonly MergedCommits[];
  readonly #foreign: CommitRow[] = [];

  /** @param merged commits whose rows are not there, one standing for all of them */
  constructor(of: TimelineStart, fingerprint: string | null, merged: readonly MergedCommits[] = []) {
    this.#of = of;
    this.#merged = merged;
    this.#fingerprint = fingerprint;
    for (const { partition, endOffset } of of.cut?.partitions ?? []) this.#begin(partition, endOffset);
  }

  /** Adds a row; rows come by seq. Throws `commits-missing` where one was lost: a timeline with a hole would place records wrongly. */
  add(row: CommitRow): void {
    const { seq, partition, fromOffset, untilOffset, committedAtUs } = row;
    const { newest } = this;
    if (seq === newest + 1 || this.#standsFor(seq, newest + 1)) {
      this.#seqs.push(seq);
      this.#ids.push(row.commitId ?? 0n);
      this.#times.push(newest === 0 ? committedAtUs : Math.max(committedAtUs, this.#times.last));
    } else if (seq !== newest) throw this.#missing(`commit ${newest + 1} is not there, and ${seq} is`);
    // A version without a cut on record may have begun anywhere.
    const commits = this.#partitions.get(partition) ?? this.#begin(partition, this.#of.cut === null ? fromOffset : 0);
    if (fromOffset !== commits.end) {
      throw this.#missing(
        `commit ${seq} took partition ${partition} from ${fromOffset} on, the one before ended at ${commits.end}`,
      );
    }
    commits.end = untilOffset;
    commits.seqs.push(seq);
    commits.untils.push(untilOffset);
    if (row.fingerprint !== null && row.fingerprint !== this.#fingerprint) this.#foreign.push(row);
  }

  /** The newest commit so far; 0 before the first. */
  get newest(): number {
    return this.#seqs.length === 0 ? 0 : this.#seqs.last;
  }

  #standsFor(seq: number, fromSeq: number): boolean {
    return this.#merged.some((merged) => merged.lastSeq === seq && merged.fromSeq === fromSeq);
  }

  /** Throws `commits-missing` unless the commits reach up to `seq`. */
  expectLast(seq: number): void {
    if (this.newest < seq) throw this.#missing(`commits ${this.newest + 1} to ${seq} were made and are not there`);
  }

  build(): CommitTimeline {
    const partitions = [...this.#partitions].sort(([a], [b]) => a - b);
    return new CommitTimeline(
      this.#of,
      new Map(
        partitions.map(([partition, { startOffset, seqs, untils }]) => [
          partition,
          { startOffset, seqs: seqs.values(), untils: untils.values() },
        ]),
      ),
      { seqs: this.#seqs.values(), visibleAtUs: this.#times.values(), ids: BigInt64Array.from(this.#ids) },
      this.#merged,
      this.#fingerprint,
      this.#foreign,
    );
  }

  #begin(partition: number, startOffset: number) {
    const commits = { startOffset, end: startOffset, seqs: new Growing(), untils: new Growing() };
    this.#partitions.set(partition, commits);
    return commits;
  }

  #missing(what: string): MillraceError {
    return new MillraceError('commits-missing', `${this.#of.view}, version ${this.#of.version}: ${what}`, {
      remedy:
        'Commit records were deleted by hand: what this version served can no longer be told. Build a new version with `rebackfill`.',
      httpStatus: 409,
    });
  }
}

/** A Float64Array that grows. */
class Growing {
  #values = new Float64Array(256);
  length = 0;

  get last(): number {
    return this.#values[this.length - 1] as number;
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(this.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length++] = value;
  }

  values(): Float64Array {
    return this.#values.slice(0, this.length);
  }
}
