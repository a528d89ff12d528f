/** A growing byte buffer that writes the codec's primitives (engine/state/README.md). One is reused for many states. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  #length = 0;

  reset(): void {
    this.#length = 0;
  }

  /** A copy of what was written since `reset`. */
  take(): Uint8Array {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  /** What was written since `reset` is the first `length` bytes of `bytes`, until something is written again. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  uint32(value: number): void {
    if (this.#length + 4 > this.#bytes.length) this.#grow(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  /** `u(n)` of a safe integer. */
  unsigned(value: number): void {
    if (value < 0x80) {
      this.byte(value);
      return;
    }
    if (value < 0x4000) {
      this.byte(0x80 | (value & 0x7f));
      this.byte(value >>> 7);
      return;
    }
    let rest = value;
    while (rest > 0x7fffffff) {
      this.byte(0x80 | (rest & 0x7f));
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.byte(0x80 | (rest & 0x7f));
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** `u(n)` of a bigint of any size. */
  unsignedBig(value: bigint): void {
    let rest = value;
    while (rest > 0x1ffffffffffffn) {
      // 49 bits are seven whole groups, so that bigint arithmetic is needed once per seven bytes only.
      let chunk = Number(BigInt.asUintN(49, rest));
      rest >>= 49n;
      for (let group = 0; group < 7; group++) {
        this.byte(0x80 | (chunk & 0x7f));
        chunk = Math.floor(chunk / 128);
      }
    }
    this.unsigned(Number(rest));
  }

  /** `s(n)`. A number must be a safe integer. */
  signed(value: number | bigint): void {
    if (typeof value === 'bigint') this.unsignedBig(value >= 0n ? value << 1n : -(value << 1n) - 1n);
    else if (value >= 0) this.#doubled(value, 0);
    else this.#doubled(-value - 1, 1);
  }

  /** `s(n)` of an odd n with magnitude `upper · 2^48 + lower`; `upper` safe and not 0, `lower` below 2^48. */
  signedSplit(negative: boolean, upper: number, lower: number): void {
    // The magnitude less one of a negative n: an odd `lower` has no borrow.
    const half = negative ? lower - 1 : lower;
    this.byte(0x80 | ((half & 0x3f) * 2 + Number(negative)));
    let rest = Math.floor(half / 64);
    for (let group = 0; group < 6; group++) {
      this.byte(0x80 | (rest & 0x7f));
      rest = Math.floor(rest / 128);
    }
    this.unsigned(upper);
  }

  /** `u(zz(n) + 1)`: a signed value where the byte 00 means "none". A number must be a safe integer. */
  signedOrNone(value: number | bigint): void {
    if (typeof value === 'bigint') this.unsignedBig(value >= 0n ? (value << 1n) + 1n : -(value << 1n));
    else if (value >= 0) this.#doubled(value, 1);
    else this.#doubled(-value, 0);
  }

  /** The UTF-8 bytes of `text`, preceded by `u(byte length + lengthOffset)`. */
  text(text: string, lengthOffset: 0 | 1): void {
    const worst = text.length * 3;
    if (this.#length + worst + 5 > this.#bytes.length) this.#grow(worst + 5);
    if (worst < 0x7f) {
      const written = this.#bytes.write(text, this.#length + 1, 'utf8');
      this.#bytes[this.#length] = written + lengthOffset;
      this.#length += written + 1;
      return;
    }
    this.unsigned(Buffer.byteLength(text, 'utf8') + lengthOffset);
    this.#length += this.#bytes.write(text, this.#length, 'utf8');
  }

  /** `u(2 · half + bit)`, exact although the doubled value may exceed the safe integers. */
  #doubled(half: number, bit: number): void {
    if (half < 0x3fffffff) {
      this.unsigned(half * 2 + bit);
      return;
    }
    this.byte(0x80 | ((half & 0x3f) * 2 + bit));
    this.unsigned(Math.floor(half / 64));
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + needed));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
