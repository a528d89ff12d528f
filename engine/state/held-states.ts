import { ByteWriter } from '../reduce/byte-writer.ts';
import { stateBytes } from './state-size.ts';
import { StateStore } from './state-store.ts';
import type { EntityState, ViewReducer } from './view-reducer.ts';

/** How many are measured to know them all. */
const SAMPLED = 64;
/** Between two looks at their size: of states of unknown size, and at most. */
const FIRST_LOOK = 16;
const MOST_UNSEEN = 2048;
const FEWEST_NUMBERS = 1024;

/**
 * States by number, most of them encoded outside of the heap; decoded are those that were asked for since the decoded ones were last too many.
 * So a million small states take the heap of a few thousand, and what the rest takes is counted, not estimated.
 *
 * @example
 * const states = new HeldStates(reducer, 24 << 20);
 * reducer.apply(states.toChange(17), event);
 * const cells = reducer.read(states.toRead(17)!, atUs);
 */
export class HeldStates {
  readonly #reducer: ViewReducer;
  readonly #store: StateStore;
  readonly #writer = new ByteWriter();
  #decodedBytes: number;
  readonly #crowdedBytes: number;
  /** By number: the place of its decoded state, and 1; 0 is none. */
  #places = new Int32Array(FEWEST_NUMBERS);
  /** By place: a decoded state, whose it is, and whether it has changed. Of a deleted one the number is -1. */
  #decoded: EntityState[] = [];
  #numbers: number[] = [];
  #changed: boolean[] = [];
  /** Of the decoded ones, those that were never encoded. */
  #fresh = 0;
  #meanBytes = 0;
  #untilLook = FIRST_LOOK;

  /**
   * @param decodedBytes What decoded states may take of the heap, about.
   * @param slabBytes Of a `StateStore`.
   * @param crowdedBytes The same as `decodedBytes` once it was too little: for who asks for each of very many in turn, to whom those kept are of no use.
   */
  constructor(reducer: ViewReducer, decodedBytes: number, slabBytes?: number, crowdedBytes = decodedBytes) {
    this.#crowdedBytes = crowdedBytes;
    this.#store = new StateStore(slabBytes);
    this.#reducer = reducer;
    this.#decodedBytes = decodedBytes;
  }

  /** How many there are. */
  get count(): number {
    return this.#store.count + this.#fresh;
  }

  /** Bytes outside of the heap, without what is kept for states to come. */
  get bytes(): number {
    return this.#store.usedBytes + this.#places.byteLength;
  }

  /** Hot path: a state to be changed, an empty one where there was none. It is the caller's until the next call. */
  toChange(number: number): EntityState {
    this.#look();
    let place = (this.#places[number] ?? 0) - 1;
    if (place < 0) place = this.#decode(number);
    if (place < 0) {
      place = this.#keep(number, this.#reducer.empty());
      this.#fresh++;
    }
    this.#changed[place] = true;
    return this.#decoded[place] as EntityState;
  }

  /** A state to be read; undefined where there is none. It is the caller's until the next call. */
  toRead(number: number): EntityState | undefined {
    let place = (this.#places[number] ?? 0) - 1;
    if (place < 0) {
      this.#look();
      place = this.#decode(number);
    }
    return place < 0 ? undefined : this.#decoded[place];
  }

  /** A state's bytes, to be read before anything else is asked; those of the empty state where there is none. */
  encoded(number: number): Uint8Array {
    const place = (this.#places[number] ?? 0) - 1;
    const isChanged = place >= 0 && this.#changed[place] === true;
    const stored = isChanged ? undefined : this.#store.get(number);
    if (stored !== undefined) return stored;
    const writer = this.#writer;
    this.#reducer.encodeTo(isChanged ? (this.#decoded[place] as EntityState) : this.#reducer.empty(), writer);
    return writer.bytes.subarray(0, writer.length);
  }

  delete(number: number): void {
    const place = (this.#places[number] ?? 0) - 1;
    if (place >= 0) {
      if (!this.#store.has(number)) this.#fresh--;
      this.#places[number] = 0;
      this.#numbers[place] = -1;
    }
    this.#store.delete(number);
  }

  /** Encodes all: the heap is free of them. */
  putAway(): void {
    for (let place = 0; place < this.#numbers.length; place++) {
      const number = this.#numbers[place] as number;
      if (number < 0) continue;
      if (this.#changed[place] === true) {
        this.#reducer.encodeTo(this.#decoded[place] as EntityState, this.#writer);
        this.#store.put(number, this.#writer.bytes, this.#writer.length);
      }
      this.#places[number] = 0;
    }
    this.#forgetDecoded();
  }

  /** Encodes all, and leaves no room where deleted ones were. */
  pack(): void {
    this.putAway();
    this.#store.pack();
  }

  /** Forgets all; keeps the memory outside of the heap for those to come, or lets go of it. */
  clear(keepsMemory: boolean): void {
    this.#forgetDecoded();
    this.#store.clear(keepsMemory);
    if (keepsMemory) this.#places.fill(0);
    else this.#places = new Int32Array(FEWEST_NUMBERS);
  }

  #forgetDecoded(): void {
    this.#decoded = [];
    this.#numbers = [];
    this.#changed = [];
    this.#fresh = 0;
    this.#untilLook = this.#nextLook(0);
  }

  /** The place of an encoded state, decoded; -1 where there is none. */
  #decode(number: number): number {
    const bytes = this.#store.get(number);
    return bytes === undefined ? -1 : this.#keep(number, this.#reducer.decode(bytes));
  }

  #keep(number: number, state: EntityState): number {
    if (number >= this.#places.length) {
      const grown = new Int32Array(Math.max(number + 1, Math.ceil(this.#places.length * 1.5)));
      grown.set(this.#places);
      this.#places = grown;
    }
    const place = this.#decoded.length;
    this.#decoded.push(state);
    this.#numbers.push(number);
    this.#changed.push(false);
    this.#places[number] = place + 1;
    return place;
  }

  /** Now and then puts all away, where the decoded ones have become too many or too large. */
  #look(): void {
    if (--this.#untilLook > 0) return;
    this.#meanBytes = this.#measured();
    const bytes = this.#meanBytes * this.#decoded.length;
    if (bytes > this.#decodedBytes) {
      this.#decodedBytes = this.#crowdedBytes;
      this.putAway();
    } else this.#untilLook = this.#nextLook(bytes);
  }

  /** After so many calls they can have become half of what there is room for, and not much more. */
  #nextLook(bytes: number): number {
    if (this.#meanBytes === 0) return FIRST_LOOK;
    return Math.max(1, Math.min(MOST_UNSEEN, Math.floor((this.#decodedBytes - bytes) / this.#meanBytes / 2)));
  }

  #measured(): number {
    const held = this.#decoded.length;
    const step = Math.max(1, Math.floor(held / SAMPLED));
    let bytes = 0;
    let sampled = 0;
    for (let place = 0; place < held; place += step) {
      bytes += stateBytes(this.#decoded[place] as EntityState);
      sampled++;
    }
    return sampled === 0 ? 0 : bytes / sampled;
  }
}
