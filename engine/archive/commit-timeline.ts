import { MillraceError } from '../errors/millrace-error.ts';

/** One row of `commit_record`: what one commit took of one partition. */
export interface CommitRow {
  readonly seq: number;
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive; control records are covered. */
  readonly untilOffset: number;
  readonly committedAtUs: number;
  /** Of the code that made it; null where it was made before that was noted. */
  readonly fingerprint: string | null;
}

/** What one commit took of a partition; `seq` 0 is the backfill, which ends at the cut. */
export interface CommittedRange {
  readonly seq: number;
  /** Exclusive: the next offset has the next commit of the partition. */
  readonly untilOffset: number;
}

/** Where a partition stood after a commit. */
export interface CommittedEnd {
  readonly partition: number;
  /** Exclusive. */
  readonly endOffset: number;
}

interface PartitionCommits {
  /** Where the stream began: the cut's end, 0 in a partition the topic has gained. */
  readonly startOffset: number;
  readonly seqs: Float64Array;
  readonly untils: Float64Array;
}

/** What a timeline is of, for its errors and its start. */
export interface TimelineStart {
  readonly view: string;
  readonly version: number;
  readonly cut: { readonly partitions: readonly { readonly partition: number; readonly endOffset: number }[] } | null;
}

/**
 * The commits of one version of a view, complete from the first on: which commit took which offset, and when each became visible. Kept as
 * typed arrays (about 24 bytes a commit and partition) and looked up by binary search.
 *
 * @example
 * const commits = await loadCommitTimeline({ pool, archiveDir, version });
 * commits.seqOf(0, 1_234); // the commit that applied offset 1,234 of partition 0
 */
export class CommitTimeline {
  /** The newest commit; 0 when there is none but the backfill. */
  readonly lastSeq: number;
  readonly #partitions: ReadonlyMap<number, PartitionCommits>;
  /** By seq - 1; never falls, even where the database's clock was set back. */
  readonly #visibleAtUs: Float64Array;
  readonly #foreign: readonly CommitRow[];
  readonly #fingerprint: string | null;

  /** Use `TimelineBuilder`. */
  constructor(
    partitions: ReadonlyMap<number, PartitionCommits>,
    visibleAtUs: Float64Array,
    fingerprint: string | null,
    foreign: readonly CommitRow[],
  ) {
    this.lastSeq = visibleAtUs.length;
    this.#partitions = partitions;
    this.#visibleAtUs = visibleAtUs;
    this.#fingerprint = fingerprint;
    this.#foreign = foreign;
  }

  /** Every partition of the cut or of a commit, ascending. */
  get partitions(): readonly number[] {
    return [...this.#partitions.keys()];
  }

  /** The commit that took an offset: 0 before the cut; Infinity when it was not committed (yet). */
  seqOf(partition: number, offset: number): number {
    return this.commitAt(partition, offset)?.seq ?? Number.POSITIVE_INFINITY;
  }

  /** The commit that took an offset, and up to where it goes, so that a run of records is looked up once; null when it was not committed. */
  commitAt(partition: number, offset: number): CommittedRange | null {
    const commits = this.#partitions.get(partition);
    if (commits === undefined) return null;
    if (offset < commits.startOffset) return { seq: 0, untilOffset: commits.startOffset };
    const index = countUpTo(commits.untils, offset);
    if (index === commits.untils.length) return null;
    return { seq: commits.seqs[index] as number, untilOffset: commits.untils[index] as number };
  }

  /** Where each partition stood once `seq` was committed (0: the cut). A partition gained later stands at 0. */
  offsetsAt(seq: number): CommittedEnd[] {
    return [...this.#partitions].map(([partition, { startOffset, seqs, untils }]) => {
      const count = countUpTo(seqs, seq);
      return { partition, endOffset: count === 0 ? startOffset : (untils[count - 1] as number) };
    });
  }

  /** The newest commit that was visible at a time (UTC epoch µs); 0 before the first. */
  seqAt(timeUs: number): number {
    return countUpTo(this.#visibleAtUs, timeUs);
  }

  /** When a commit became visible, UTC epoch µs; -Infinity for 0. Throws `unknown-commit`. */
  committedAtUs(seq: number): number {
    if (seq === 0) return Number.NEGATIVE_INFINITY;
    const atUs = this.#visibleAtUs[seq - 1];
    if (atUs === undefined) {
      throw new MillraceError('unknown-commit', `no commit ${seq}; the newest is ${this.lastSeq}`, {
        remedy: 'Name a commit from 0 to the newest, or load the timeline again.',
        httpStatus: 404,
      });
    }
    return atUs;
  }

  /** Commits that other code than `fingerprint`'s made, by seq; those made before that was noted are not among them. */
  foreignCommits(
    fingerprint: string,
  ): { seq: number; fingerprint: string; partition: number; fromOffset: number; untilOffset: number }[] {
    if (fingerprint !== this.#fingerprint) {
      throw new MillraceError(
        'wrong-fingerprint',
        `the timeline was loaded for definition ${this.#fingerprint?.slice(0, 12)}, asked for ${fingerprint.slice(0, 12)}`,
        { remedy: 'Load the timeline of the version whose definition it is.', httpStatus: 500 },
      );
    }
    return this.#foreign.map(({ seq, fingerprint: by, partition, fromOffset, untilOffset }) => ({
      seq,
      fingerprint: by as string,
      partition,
      fromOffset,
      untilOffset,
    }));
  }
}

/** Collects the commits of a version in order of seq and makes their timeline. */
export class TimelineBuilder {
  readonly #of: TimelineStart;
  readonly #fingerprint: string | null;
  readonly #partitions = new Map<number, { startOffset: number; end: number; seqs: Growing; untils: Growing }>();
  readonly #times = new Growing();
  readonly #foreign: CommitRow[] = [];

  constructor(of: TimelineStart, fingerprint: string | null) {
    this.#of = of;
    this.#fingerprint = fingerprint;
    for (const { partition, endOffset } of of.cut?.partitions ?? []) this.#begin(partition, endOffset);
  }

  /** Adds a row; rows come by seq. Throws `commits-missing` where one was lost: a timeline with a hole would place records wrongly. */
  add(row: CommitRow): void {
    const { seq, partition, fromOffset, untilOffset, committedAtUs } = row;
    const newest = this.#times.length;
    if (seq === newest + 1) this.#times.push(Math.max(committedAtUs, newest === 0 ? committedAtUs : this.#times.last));
    else if (seq !== newest) throw this.#missing(`commit ${newest + 1} is not there, and ${seq} is`);
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

  /** Throws `commits-missing` unless the commits reach up to `seq`. */
  expectLast(seq: number): void {
    if (this.#times.length < seq)
      throw this.#missing(`commits ${this.#times.length + 1} to ${seq} were made and are not there`);
  }

  build(): CommitTimeline {
    const partitions = [...this.#partitions].sort(([a], [b]) => a - b);
    return new CommitTimeline(
      new Map(
        partitions.map(([partition, { startOffset, seqs, untils }]) => [
          partition,
          { startOffset, seqs: seqs.values(), untils: untils.values() },
        ]),
      ),
      this.#times.values(),
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

/** How many of the ascending values are at most `value`. */
function countUpTo(ascending: Float64Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
