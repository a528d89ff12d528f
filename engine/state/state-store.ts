/** A record is so many bytes at least, and begins at a multiple of them. */
const UNIT = 8;
/** Number and length of a record stand before its bytes. */
const HEADER_WORDS = 2;
const SLAB_BYTES = 1 << 20;
const FEWEST_SLAB_UNITS = 16;
const COPIED_ONE_BY_ONE = 96;
/** What of the slabs may be left of records that moved on, before they are packed together. */
const DEAD_SHARE = 0.25;

interface Slab {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Units written, and those of them whose record has moved on. */
  used: number;
  dead: number;
}

/**
 * Encoded states by number, in slabs outside of the heap: about 12 bytes beside each. What is put in place of another is written where that
 * was if it is as long, else behind all others, and slabs are packed when a quarter of them is left over.
 *
 * @example
 * const store = new StateStore();
 * store.put(17, reducer.encode(state));
 * const again = reducer.decode(store.get(17)!);
 */
export class StateStore {
  readonly #slabUnits: number;
  readonly #slabs: (Slab | null)[] = [];
  /** Emptied slabs of the usual size, for what comes next. */
  #spare: Slab[] = [];
  /** Per number, its record's slab and unit, and 1: 0 is none. */
  #places = new Float64Array(1024);
  #head = -1;
  #bytes = 0;
  #used = 0;
  #dead = 0;
  #count = 0;

  /** @param slabBytes How much memory is taken at once: 1 MiB, or less where there is little of it. */
  constructor(slabBytes = SLAB_BYTES) {
    this.#slabUnits = Math.max(FEWEST_SLAB_UNITS, Math.floor(Math.min(slabBytes, SLAB_BYTES) / UNIT));
  }

  /** What it takes of memory, in bytes. */
  get bytes(): number {
    return this.#bytes + this.#places.byteLength;
  }

  /** What of it is in use: of the rest are the next slabs made. */
  get usedBytes(): number {
    return this.bytes - this.#spare.length * this.#slabUnits * UNIT;
  }

  /** How many states there are. */
  get count(): number {
    return this.#count;
  }

  /** A state's bytes, to be read before the next is put; undefined where there is none. */
  get(number: number): Uint8Array | undefined {
    const place = this.#places[number] ?? 0;
    if (place === 0) return undefined;
    const { slab, unit } = this.#at(place);
    const from = (unit + 1) * UNIT;
    return slab.bytes.subarray(from, from + (slab.words[unit * 2 + 1] as number));
  }

  has(number: number): boolean {
    return (this.#places[number] ?? 0) !== 0;
  }

  /**
   * Puts a state's bytes, which are copied, in place of what there was.
   *
   * @param length so many of them
   */
  put(number: number, bytes: Uint8Array, length = bytes.length): void {
    if (number >= this.#places.length) this.#growTo(number);
    const units = unitsOf(length);
    const place = this.#places[number] as number;
    if (place !== 0) {
      const { slab, unit } = this.#at(place);
      if (unitsOf(slab.words[unit * 2 + 1] as number) === units) {
        slab.words[unit * 2 + 1] = length;
        copyTo(slab.bytes, (unit + 1) * UNIT, bytes, length);
        return;
      }
      this.#leave(place);
    } else this.#count++;
    this.#places[number] = this.#append(number, bytes, length, units);
    if (this.#dead > this.#slabUnits && this.#dead > this.#used * DEAD_SHARE) this.#pack(DEAD_SHARE / 2);
  }

  delete(number: number): void {
    const place = this.#places[number] ?? 0;
    if (place === 0) return;
    this.#leave(place);
    this.#places[number] = 0;
    this.#count--;
  }

  /** Leaves nothing over, where much was deleted. */
  pack(): void {
    this.#head = -1;
    if (this.#dead > 0) this.#pack(0);
  }

  /** Forgets all states; keeps the slabs for those to come, or lets go of them. */
  clear(keepsSlabs: boolean): void {
    for (const slab of this.#slabs) if (slab !== null) this.#empty(slab);
    this.#slabs.length = 0;
    this.#head = -1;
    this.#count = 0;
    if (keepsSlabs) {
      this.#places.fill(0);
      return;
    }
    for (const { bytes } of this.#spare) this.#bytes -= bytes.length;
    this.#spare = [];
    this.#places = new Float64Array(1024);
  }

  #at(place: number): { slab: Slab; unit: number } {
    const at = place - 1;
    return { slab: this.#slabs[Math.floor(at / this.#slabUnits)] as Slab, unit: at % this.#slabUnits };
  }

  #append(number: number, bytes: Uint8Array, length: number, units: number): number {
    let slab = this.#slabs[this.#head];
    if (slab == null || (slab.used + units) * UNIT > slab.bytes.length) {
      this.#head = this.#newSlab(units);
      slab = this.#slabs[this.#head] as Slab;
    }
    const unit = slab.used;
    slab.words[unit * 2] = number;
    slab.words[unit * 2 + 1] = length;
    copyTo(slab.bytes, (unit + 1) * UNIT, bytes, length);
    slab.used += units;
    this.#used += units;
    return this.#head * this.#slabUnits + unit + 1;
  }

  /** A record larger than a slab has one of its own. */
  #newSlab(units: number): number {
    const slab =
      units <= this.#slabUnits ? (this.#spare.pop() ?? this.#allocate(this.#slabUnits)) : this.#allocate(units);
    const free = this.#slabs.indexOf(null);
    const index = free < 0 ? this.#slabs.length : free;
    this.#slabs[index] = slab;
    return index;
  }

  #allocate(units: number): Slab {
    const buffer = new ArrayBuffer(units * UNIT);
    this.#bytes += buffer.byteLength;
    return { bytes: new Uint8Array(buffer), words: new Uint32Array(buffer), used: 0, dead: 0 };
  }

  #leave(place: number): void {
    const { slab, unit } = this.#at(place);
    const units = unitsOf(slab.words[unit * 2 + 1] as number);
    slab.dead += units;
    this.#dead += units;
    const index = Math.floor((place - 1) / this.#slabUnits);
    if (slab.dead === slab.used && index !== this.#head) {
      this.#slabs[index] = null;
      this.#empty(slab);
    }
  }

  #empty(slab: Slab): void {
    this.#used -= slab.used;
    this.#dead -= slab.dead;
    slab.used = 0;
    slab.dead = 0;
    if (slab.bytes.length === this.#slabUnits * UNIT) this.#spare.push(slab);
    else this.#bytes -= slab.bytes.length;
  }

  /** Moves what is left in slabs that are much left behind, slab by slab: never more than one is held twice. */
  #pack(leftShare: number): void {
    const before = this.#slabs.length;
    for (let index = 0; index < before; index++) {
      const slab = this.#slabs[index];
      if (slab == null || index === this.#head || slab.dead <= slab.used * leftShare) continue;
      for (let unit = 0; unit < slab.used; ) {
        const number = slab.words[unit * 2] as number;
        const length = slab.words[unit * 2 + 1] as number;
        const units = unitsOf(length);
        if (this.#places[number] === index * this.#slabUnits + unit + 1) {
          const from = (unit + 1) * UNIT;
          this.#places[number] = this.#append(number, slab.bytes.subarray(from, from + length), length, units);
        }
        unit += units;
      }
      this.#slabs[index] = null;
      this.#empty(slab);
    }
  }

  #growTo(number: number): void {
    const grown = new Float64Array(Math.max(number + 1, Math.ceil(this.#places.length * 1.5)));
    grown.set(this.#places);
    this.#places = grown;
  }
}

/** Copies the first bytes of `from`. A view of a few of them would cost more than they do. */
export function copyTo(to: Uint8Array, at: number, from: Uint8Array, length: number): void {
  if (length > COPIED_ONE_BY_ONE) to.set(length === from.length ? from : from.subarray(0, length), at);
  else for (let index = 0; index < length; index++) to[at + index] = from[index] as number;
}

function unitsOf(length: number): number {
  return Math.ceil((length + HEADER_WORDS * 4) / UNIT);
}
