/** An encoded state, as stored by commit `seq`. */
export interface EncodedState {
  readonly seq: number;
  /** Its id; null where it has none. */
  readonly commitId: string | null;
  /** Valid until the next call. */
  readonly bytes: Uint8Array;
}

/** Asks for so many bytes of buffers, and gives them back. */
export interface BufferRoom {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

interface Slab {
  readonly buffer: Buffer;
  /** Where its entries end. */
  end: number;
  /** Of these, the ones still known. */
  live: number;
}

const SLAB_BYTES = 1 << 20;
/** Before key and state: hash, their lengths, seq, commit id (0: none). */
const HEAD_BYTES = 28;
const FIRST_SLOTS = 1 << 10;
const BYTES_PER_SLOT = 12;
/** The index is made anew, twice as large, at this load. */
const FULL = 0.75;

/**
 * Encoded states by key, outside V8's heap: written one after the other into slabs, found by an index of flat arrays. Where there is no room for
 * another slab the oldest goes, with all that is in it.
 */
export class EncodedStates {
  readonly #room: BufferRoom;
  /** By number, the oldest first. An address is a number of a slab times its size, and the place in it. */
  readonly #slabs = new Map<number, Slab>();
  #current = -1;
  #size = 0;
  /** Hash and address by slot; NaN: free. */
  #hashes = new Uint32Array(0);
  #addresses = new Float64Array(0);
  #slabBytes = 0;

  constructor(room: BufferRoom) {
    this.#room = room;
  }

  /** How many states it holds. */
  get size(): number {
    return this.#size;
  }

  /** What it takes of memory. */
  get bytes(): number {
    return this.#slabBytes + this.#addresses.length * BYTES_PER_SLOT;
  }

  /** Keeps a state that it does not have, if there is room. */
  put(keyText: string, { seq, commitId }: Omit<EncodedState, 'bytes'>, state: Uint8Array): void {
    if (this.#size + 1 > this.#addresses.length * FULL && !this.#growIndex()) return;
    const keyBytes = keyText.length * 2;
    const length = HEAD_BYTES + keyBytes + state.length;
    const slab = this.#slabWith(length);
    if (slab === null) return;
    const { buffer, end } = slab;
    const hash = hashOf(keyText);
    buffer.writeUInt32LE(hash, end);
    buffer.writeUInt32LE(keyBytes, end + 4);
    buffer.writeUInt32LE(state.length, end + 8);
    buffer.writeDoubleLE(seq, end + 12);
    buffer.writeBigInt64LE(commitId === null ? 0n : BigInt(commitId), end + 20);
    buffer.write(keyText, end + HEAD_BYTES, 'utf16le');
    buffer.set(state, end + HEAD_BYTES + keyBytes);
    slab.end = end + length;
    slab.live++;
    this.#insert(hash, this.#current * SLAB_BYTES + end);
    this.#size++;
  }

  /** Gives a state out, and has it no more; null where it has none. */
  take(keyText: string): EncodedState | null {
    if (this.#size === 0) return null;
    const hash = hashOf(keyText);
    const mask = this.#addresses.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const address = this.#addresses[slot]!;
      if (address !== address) return null;
      if (this.#hashes[slot] !== hash) continue;
      const number = Math.floor(address / SLAB_BYTES);
      const slab = this.#slabs.get(number)!;
      const { buffer } = slab;
      const at = address - number * SLAB_BYTES;
      const keyBytes = buffer.readUInt32LE(at + 4);
      const keyAt = at + HEAD_BYTES;
      if (buffer.toString('utf16le', keyAt, keyAt + keyBytes) !== keyText) continue;
      const seq = buffer.readDoubleLE(at + 12);
      const id = buffer.readBigInt64LE(at + 20);
      const bytes = buffer.subarray(keyAt + keyBytes, keyAt + keyBytes + buffer.readUInt32LE(at + 8));
      this.#remove(slot);
      this.#size--;
      if (--slab.live === 0 && number !== this.#current) this.#free(number, slab);
      return { seq, commitId: id === 0n ? null : String(id), bytes };
    }
  }

  /** Forgets the oldest, until so many bytes have been given back or there are none. */
  forget(bytes: number): void {
    const until = this.bytes - bytes;
    while (this.bytes > until && this.#dropOldest());
    if (this.#size === 0 && this.#addresses.length > 0) {
      this.#room.give(this.#addresses.length * BYTES_PER_SLOT);
      this.#hashes = new Uint32Array(0);
      this.#addresses = new Float64Array(0);
    }
  }

  #slabWith(length: number): Slab | null {
    const current = this.#slabs.get(this.#current);
    if (current !== undefined && current.end + length <= current.buffer.length) return current;
    if (current !== undefined && current.live === 0) this.#free(this.#current, current);
    const size = Math.max(SLAB_BYTES, length);
    while (!this.#room.take(size)) if (!this.#dropOldest()) return null;
    const slab = { buffer: Buffer.allocUnsafeSlow(size), end: 0, live: 0 };
    this.#slabs.set(++this.#current, slab);
    this.#slabBytes += size;
    return slab;
  }

  #dropOldest(): boolean {
    const [oldest] = this.#slabs;
    if (oldest === undefined) return false;
    const [number, slab] = oldest;
    const { buffer, end } = slab;
    for (let at = 0; at < end && slab.live > 0; ) {
      const slot = this.#slotOf(buffer.readUInt32LE(at), number * SLAB_BYTES + at);
      if (slot >= 0) {
        this.#remove(slot);
        this.#size--;
        slab.live--;
      }
      at += HEAD_BYTES + buffer.readUInt32LE(at + 4) + buffer.readUInt32LE(at + 8);
    }
    this.#free(number, slab);
    return true;
  }

  #free(number: number, { buffer }: Slab): void {
    this.#slabs.delete(number);
    this.#slabBytes -= buffer.length;
    this.#room.give(buffer.length);
  }

  #insert(hash: number, address: number): void {
    const mask = this.#addresses.length - 1;
    let slot = hash & mask;
    while (!Number.isNaN(this.#addresses[slot])) slot = (slot + 1) & mask;
    this.#hashes[slot] = hash;
    this.#addresses[slot] = address;
  }

  /** Where the index names this address; -1 where it does not any more. */
  #slotOf(hash: number, address: number): number {
    const mask = this.#addresses.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.#addresses[slot]!;
      if (found === address) return slot;
      if (found !== found) return -1;
    }
  }

  /** Frees a slot, and moves those after it up that would else not be found. */
  #remove(slot: number): void {
    const hashes = this.#hashes;
    const addresses = this.#addresses;
    const mask = addresses.length - 1;
    let hole = slot;
    for (let next = (hole + 1) & mask; !Number.isNaN(addresses[next]); next = (next + 1) & mask) {
      const home = hashes[next]! & mask;
      // It may move where its home is not between the hole and itself.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      hashes[hole] = hashes[next]!;
      addresses[hole] = addresses[next]!;
      hole = next;
    }
    addresses[hole] = Number.NaN;
  }

  #growIndex(): boolean {
    const slots = Math.max(FIRST_SLOTS, this.#addresses.length * 2);
    if (!this.#room.take(slots * BYTES_PER_SLOT)) {
      // With less in it what there is will do.
      return this.#addresses.length > 0 && this.#dropOldest() && this.#size + 1 <= this.#addresses.length * FULL;
    }
    const hashes = this.#hashes;
    const addresses = this.#addresses;
    this.#hashes = new Uint32Array(slots);
    this.#addresses = new Float64Array(slots).fill(Number.NaN);
    for (let slot = 0; slot < addresses.length; slot++) {
      const address = addresses[slot]!;
      if (address === address) this.#insert(hashes[slot]!, address);
    }
    if (addresses.length > 0) this.#room.give(addresses.length * BYTES_PER_SLOT);
    return true;
  }
}

/** FNV-1a over the text's code units, stirred so that its lower bits depend on all of them. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
