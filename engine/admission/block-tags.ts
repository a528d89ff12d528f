import { invariant } from '../errors/millrace-error.ts';

/** A tag is one of so many bits; 0 is none. A block has 128 claims or more, so that memory ends long before the tags do. */
export const TAG_BITS = 20;
export const TAG_MASK = (1 << TAG_BITS) - 1;

/** The blocks of a table by number: which are held by anybody, and how many of their claims the table still has. A number is given again once it has none. */
export class BlockTags {
  #live = new Uint8Array(16);
  #claims = new Uint32Array(16);
  #baseUs = new Float64Array(16);
  #free: number[] = [];
  #next = 1;
  #dead = 0;

  /** How many claims in the table are of no block any more. */
  get dead(): number {
    return this.#dead;
  }

  get bytes(): number {
    return this.#live.byteLength + this.#claims.byteLength + this.#baseUs.byteLength;
  }

  /** A tag for a new block. `baseUs`: what the times of its claims are counted from. */
  take(baseUs: number): number {
    const tag = this.#free.pop() ?? this.#next++;
    invariant(tag <= TAG_MASK, 'a table of claims has more than a million blocks');
    if (tag === this.#live.length) this.#grow();
    this.#live[tag] = 1;
    this.#baseUs[tag] = baseUs;
    return tag;
  }

  /** Nobody holds its block any more. */
  end(tag: number): void {
    this.#live[tag] = 0;
    this.#dead += this.#claims[tag] as number;
    if (this.#claims[tag] === 0) this.#free.push(tag);
  }

  isLive(tag: number): boolean {
    return this.#live[tag] === 1;
  }

  baseUs(tag: number): number {
    return this.#baseUs[tag] as number;
  }

  /** The table has one more of its claims. */
  added(tag: number): void {
    this.#claims[tag] = (this.#claims[tag] as number) + 1;
  }

  /** The table has dropped one claim of a tag that has ended. */
  dropped(tag: number): void {
    const left = (this.#claims[tag] as number) - 1;
    this.#claims[tag] = left;
    this.#dead--;
    if (left === 0) this.#free.push(tag);
  }

  #grow(): void {
    const live = new Uint8Array(this.#live.length * 2);
    const claims = new Uint32Array(live.length);
    const baseUs = new Float64Array(live.length);
    live.set(this.#live);
    claims.set(this.#claims);
    baseUs.set(this.#baseUs);
    this.#live = live;
    this.#claims = claims;
    this.#baseUs = baseUs;
  }
}
