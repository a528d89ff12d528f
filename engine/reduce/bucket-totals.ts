const PAGE_BITS = 6;
const PAGE = 2 ** PAGE_BITS;

/** The counts of several tiles added up, in pages of neighbouring buckets: those of a tile lie close together, so most find their page at hand. */
export class BucketTotals {
  readonly #pages = new Map<number, number[]>();
  #buckets = 0;

  /** How many have a value. */
  get buckets(): number {
    return this.#buckets;
  }

  /** @param pairs bucket, count, bucket, count, … ascending by bucket */
  add(pairs: readonly number[]): void {
    let number = Number.NaN;
    let page: number[] = [];
    for (let at = 0; at < pairs.length; at += 2) {
      const bucket = pairs[at]!;
      if (bucket >> PAGE_BITS !== number) {
        number = bucket >> PAGE_BITS;
        page = this.#pageOf(number);
      }
      const place = bucket & (PAGE - 1);
      const before = page[place]!;
      if (before === 0) this.#buckets++;
      page[place] = before + pairs[at + 1]!;
    }
  }

  /** The same as one tile has them. */
  pairs(): number[] {
    const pairs: number[] = [];
    for (const [number, page] of [...this.#pages].sort(([a], [b]) => a - b)) {
      for (let place = 0; place < PAGE; place++) {
        if (page[place] !== 0) pairs.push(number * PAGE + place, page[place]!);
      }
    }
    return pairs;
  }

  #pageOf(number: number): number[] {
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    const page = new Array<number>(PAGE).fill(0);
    this.#pages.set(number, page);
    return page;
  }
}
