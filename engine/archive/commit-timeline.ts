import { MillraceError } from '../errors/millrace-error.ts';
import { formatDateTime } from '../values/iso-time.ts';

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
  /** Its id; null where it was made before there were ids. */
  readonly commitId: bigint | null;
}

/** Commits that were merged into their last one: what each of them took, and when, is not told apart any more. */
export interface MergedCommits {
  readonly fromSeq: number;
  /** Inclusive: its rows stand for all of them. */
  readonly lastSeq: number;
  /** When the first of them became visible, UTC epoch µs. */
  readonly beganAtUs: number;
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

export interface PartitionCommits {
  /** Where the stream began: the cut's end, 0 in a partition the topic has gained. */
  readonly startOffset: number;
  readonly seqs: Float64Array;
  readonly untils: Float64Array;
}

/** What a timeline is of, for its errors and its start. */
export interface TimelineStart {
  readonly view: string;
  readonly version: number;
  /** Of the backfill, as text; null: not known. */
  readonly commitId: string | null;
  readonly cut: { readonly partitions: readonly { readonly partition: number; readonly endOffset: number }[] } | null;
}

/**
 * The commits of one version of a view, complete from the first on: which commit took which offset, and when each became visible. Kept as
 * typed arrays (about 40 bytes a commit and partition) and looked up by binary search. Where old commits were merged into one, what it says is true of that one; whoever
 * asks about a time or a commit within asks `seqAt` or `mergedAt` first.
 *
 * @example
 * const commits = await loadCommitTimeline({ pool, archiveDir, version });
 * commits.seqOf(0, 1_234); // the commit that applied offset 1,234 of partition 0
 */
export class CommitTimeline {
  /** The newest commit; 0 when there is none but the backfill. */
  readonly lastSeq: number;
  readonly #of: Pick<TimelineStart, 'view' | 'version'>;
  readonly #partitions: ReadonlyMap<number, PartitionCommits>;
  /** Those that are told apart, ascending. */
  readonly #seqs: Float64Array;
  /** When each of these became visible; never falls, even where the database's clock was set back. */
  readonly #visibleAtUs: Float64Array;
  /** Their ids; 0: not known. */
  readonly #ids: BigInt64Array;
  readonly #backfillId: bigint | null;
  readonly #merged: readonly MergedCommits[];
  readonly #foreign: readonly CommitRow[];
  readonly #fingerprint: string | null;

  /** Use `TimelineBuilder` (timeline-builder.ts). */
  constructor(
    of: Omit<TimelineStart, 'cut'>,
    partitions: ReadonlyMap<number, PartitionCommits>,
    {
      seqs,
      visibleAtUs,
      ids,
    }: { readonly seqs: Float64Array; readonly visibleAtUs: Float64Array; readonly ids: BigInt64Array },
    merged: readonly MergedCommits[],
    fingerprint: string | null,
    foreign: readonly CommitRow[],
  ) {
    this.#of = of;
    this.lastSeq = seqs.at(-1) ?? 0;
    this.#partitions = partitions;
    this.#seqs = seqs;
    this.#visibleAtUs = visibleAtUs;
    this.#ids = ids;
    this.#backfillId = of.commitId === null ? null : BigInt(of.commitId);
    this.#merged = merged;
    this.#fingerprint = fingerprint;
    this.#foreign = foreign;
  }

  /**
   * What became of the commit that a reader saw: `kept`, as far as both sides know its id; `merged`: its number went into that of a later commit, and its id with it;
   * `lost`: it is not among these, whatever has its number now.
   *
   * @param seq null: the reader found no state, and the id is the backfill's
   * @param commitId null: not known
   */
  fateOf(seq: number | null, commitId: bigint | null): 'kept' | 'merged' | 'lost' {
    if (seq !== null && seq > this.lastSeq) return 'lost';
    if (seq !== null && this.mergedInto(seq) !== null) return 'merged';
    const known = this.#idOf(seq ?? 0);
    return known === null || commitId === null || known === commitId ? 'kept' : 'lost';
  }

  /** The id of a commit that is told apart; null: not known. */
  #idOf(seq: number): bigint | null {
    if (seq === 0) return this.#backfillId;
    const index = this.#seqs[seq - 1] === seq ? seq - 1 : countUpTo(this.#seqs, seq) - 1;
    const id = this.#seqs[index] === seq ? this.#ids[index] : undefined;
    return id === undefined || id === 0n ? null : id;
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

  /** The newest commit that was visible at a time (UTC epoch µs); 0 before the first. Throws `commits-merged` where that is not told apart any more. */
  seqAt(timeUs: number): number {
    const count = countUpTo(this.#visibleAtUs, timeUs);
    const next = this.#seqs[count];
    const merged = this.#merged.find(({ lastSeq }) => lastSeq === next);
    if (merged !== undefined && timeUs >= merged.beganAtUs)
      throw commitsMerged(this.#of, merged, this.#visibleAtUs[count] as number);
    return count === 0 ? 0 : (this.#seqs[count - 1] as number);
  }

  /** When a commit became visible, UTC epoch µs; of one that was merged, by when it had; -Infinity for 0. Throws `unknown-commit`. */
  committedAtUs(seq: number): number {
    if (seq === 0) return Number.NEGATIVE_INFINITY;
    const atUs = this.#visibleAtUs[this.#seqs[seq - 1] === seq ? seq - 1 : countUpTo(this.#seqs, seq - 0.5)];
    if (atUs === undefined) {
      throw new MillraceError('unknown-commit', `no commit ${seq}; the newest is ${this.lastSeq}`, {
        remedy: 'Name a commit from 0 to the newest, or load the timeline again.',
        httpStatus: 404,
      });
    }
    return atUs;
  }

  /** Since when a commit may have been visible: the time it was, and of one that others were merged into, the time the first of them was. */
  visibleSinceUs(seq: number): number {
    return this.#merged.find((each) => each.lastSeq === seq)?.beganAtUs ?? this.committedAtUs(seq);
  }

  /** The commit that this one was merged into; null where it is told apart. */
  mergedInto(seq: number): number | null {
    return this.#merged.find(({ fromSeq, lastSeq }) => seq >= fromSeq && seq < lastSeq)?.lastSeq ?? null;
  }

  /** The times of which it is not told any more which commits were visible: from (inclusive) and until, UTC epoch µs. */
  mergedTimes(): { readonly fromUs: number; readonly untilUs: number; readonly merged: MergedCommits }[] {
    return this.#merged.map((merged) => ({
      fromUs: merged.beganAtUs,
      untilUs: this.committedAtUs(merged.lastSeq),
      merged,
    }));
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

/** The error of what is asked about commits that were merged. */
export function commitsMerged(
  { view, version }: Pick<TimelineStart, 'view' | 'version'>,
  { fromSeq, lastSeq, beganAtUs }: MergedCommits,
  endedAtUs: number,
  more = '',
): MillraceError {
  return new MillraceError(
    'commits-merged',
    `${view}, version ${version}: commits ${fromSeq} to ${lastSeq} (${formatDateTime(beganAtUs)} to ${formatDateTime(endedAtUs)}) were merged into one, to stay within what is kept: which of them a reader of that time saw is not told any more${more}`,
    {
      remedy:
        'Ask for a later time or an earlier one, or use the mode "event-time". So that it is told for good, archive the source (`millrace archive`), or keep more (MILLRACE_COMMITS_MB).',
      httpStatus: 409,
      details: { view, version, fromSeq, lastSeq },
    },
  );
}
