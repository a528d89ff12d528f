/** Reads zigzag varints; doubles hold every value up to 2^53, beyond which no offset delta, length or timestamp of Kafka goes. */
export class VarintCursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  position: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  readVarint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.position++]!;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    let scale = 128;
    do {
      if (this.position >= this.#end) throw new RangeError('a varint runs beyond its batch');
      byte = bytes[this.position++]!;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A length-prefixed byte string, without copying; null for length -1. */
  readBytes(): Buffer | null {
    const length = this.readVarint();
    if (length < 0) return null;
    const start = this.position;
    if (start + length > this.#end) throw new RangeError('a key or value runs beyond its batch');
    this.position = start + length;
    return this.#bytes.subarray(start, this.position);
  }
}
