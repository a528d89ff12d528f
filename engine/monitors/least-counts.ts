import type { ByteReader } from '../reduce/byte-reader.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import { textHash } from './monitored-field.ts';

/**
 * How many times each of some texts came: of those with the least hashes, at most so many, and of all others together. What is held, and each count, is a
 * function of all that was added: what is among the least of all was among the least of every part.
 */
export class LeastCounts {
  others = 0;
  readonly #most: number;
  readonly #counts = new Map<string, { count: number; readonly hash: number }>();
  /** Of the one that goes next, while there is no more room. */
  #greatest: { readonly text: string; readonly hash: number } | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#counts.size;
  }

  add(text: string, times: number): void {
    const held = this.#counts.get(text);
    if (held === undefined) this.#admit(text, textHash(text), times);
    else held.count += times;
  }

  merge(from: LeastCounts): void {
    this.others += from.others;
    for (const [text, { count, hash }] of from.#counts) {
      const held = this.#counts.get(text);
      if (held === undefined) this.#admit(text, hash, count);
      else held.count += count;
    }
  }

  /** Most frequent first; of equals the lesser text. */
  ranked(): [text: string, count: number][] {
    return [...this.#counts]
      .map(([text, { count }]): [string, number] => [text, count])
      .sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1));
  }

  encode(writer: ByteWriter): void {
    writer.unsigned(this.others);
    writer.unsigned(this.#counts.size);
    for (const [text, { count }] of [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.text(text, 0);
      writer.unsigned(count);
    }
  }

  /** Reads what `encode` wrote into a new one. */
  decode(reader: ByteReader): void {
    this.others = reader.unsigned();
    const size = reader.unsigned();
    for (let read = 0; read < size; read++) {
      const text = reader.text(reader.unsigned());
      this.add(text, reader.unsigned());
    }
  }

  #admit(text: string, hash: number, count: number): void {
    if (this.#counts.size < this.#most) {
      this.#counts.set(text, { count, hash });
      return;
    }
    this.#greatest ??= this.#findGreatest();
    if (!isBefore(hash, text, this.#greatest)) {
      this.others += count;
      return;
    }
    const gone = this.#greatest.text;
    this.others += this.#counts.get(gone)!.count;
    this.#counts.delete(gone);
    this.#counts.set(text, { count, hash });
    this.#greatest = null;
  }

  #findGreatest(): { text: string; hash: number } {
    let greatest: { text: string; hash: number } | null = null;
    for (const [text, { hash }] of this.#counts)
      if (greatest === null || isBefore(greatest.hash, greatest.text, { text, hash })) greatest = { text, hash };
    return greatest!;
  }
}

/** The order in which texts are kept. */
export function isBefore(hash: number, text: string, other: { readonly text: string; readonly hash: number }): boolean {
  return hash < other.hash || (hash === other.hash && text < other.text);
}
