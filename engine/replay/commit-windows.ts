import type { CommitTimeline } from '../archive/commit-timeline.ts';

/** A run of commits that is read in one go. */
export interface CommitWindow {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Where each partition ends after the last of them. */
  readonly ends: readonly { readonly partition: number; readonly endOffset: number }[];
}

/** Cuts the commits of a version into windows of about so many records: as many whole commits as fit, at least one. */
export class CommitWindows {
  readonly #commits: CommitTimeline;
  #records: number;

  constructor(commits: CommitTimeline, records: number) {
    this.#commits = commits;
    this.#records = records;
  }

  /** Windows from the next one on have so many records. */
  resize(records: number): void {
    this.#records = records;
  }

  /** The windows of commits 1 to `untilSeq`. */
  *upTo(untilSeq: number): Generator<CommitWindow> {
    let passed = this.#total(0);
    for (let firstSeq = 1; firstSeq <= untilSeq; ) {
      const lastSeq = this.#lastWithin(firstSeq, untilSeq, passed + this.#records);
      const ends = this.#commits.offsetsAt(lastSeq);
      yield { firstSeq, lastSeq, ends };
      passed = sum(ends);
      firstSeq = lastSeq + 1;
    }
  }

  /** The last commit up to which no more than `limit` offsets are passed. */
  #lastWithin(firstSeq: number, untilSeq: number, limit: number): number {
    let low = firstSeq;
    let high = untilSeq;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#total(middle) <= limit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #total(seq: number): number {
    return sum(this.#commits.offsetsAt(seq));
  }
}

function sum(ends: CommitWindow['ends']): number {
  return ends.reduce((total, { endOffset }) => total + endOffset, 0);
}
