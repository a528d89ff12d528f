import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader } from '../reduce/byte-reader.ts';
import { ByteWriter } from '../reduce/byte-writer.ts';
import { isBefore } from './least-counts.ts';
import { textHash } from './monitored-field.ts';
import { SegmentState } from './segment-state.ts';

/** Values of one segment's name that a bucket tells apart. */
export const MOST_SEGMENTS = 1000;
/** The value of what has no place of its own. */
export const OTHER = 'other';
/** The name of the segment that is always there. */
export const PARTITION = 'partition';
const FORMAT = 1;
/** No state is larger: what says it is, is corrupt. */
const MOST_BYTES = 1 << 30;

/**
 * The segments of one name: those of the least hashes, at most so many, and all others together. Which are held is a function of the set of values that
 * came, and each one's state of the set of its records: what is held at last was held all along.
 */
export class NamedSegments {
  readonly held = new Map<string, { readonly hash: number; readonly state: SegmentState }>();
  #other: SegmentState | null = null;
  #greatest: { readonly text: string; readonly hash: number } | null = null;

  get other(): SegmentState | null {
    return this.#other;
  }

  get size(): number {
    let size = this.#other?.size ?? 0;
    for (const { state } of this.held.values()) size += state.size;
    return size;
  }

  /** The state that takes a value's records now. Not to be kept: the next may put it among the others. */
  target(value: string): SegmentState {
    const held = this.held.get(value);
    if (held !== undefined) return held.state;
    if (value === OTHER) return this.#others();
    return this.#admit(value, textHash(value)) ?? this.#others();
  }

  merge(from: NamedSegments): void {
    for (const [value, { state }] of from.held) this.target(value).merge(state);
    if (from.#other !== null) this.#others().merge(from.#other);
  }

  /** By how many records, most first; of equals the lesser value. */
  ranked(): [value: string, state: SegmentState][] {
    return [...this.held]
      .map(([value, { state }]): [string, SegmentState] => [value, state])
      .sort(([a, ofA], [b, ofB]) => ofB.records - ofA.records || (a < b ? -1 : 1));
  }

  encode(writer: ByteWriter): void {
    writer.unsigned(this.held.size);
    for (const [value, { state }] of [...this.held].sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.text(value, 0);
      state.encode(writer);
    }
    writer.byte(this.#other === null ? 0 : 1);
    this.#other?.encode(writer);
  }

  static decode(reader: ByteReader): NamedSegments {
    const segments = new NamedSegments();
    const size = reader.unsigned();
    for (let read = 0; read < size; read++) {
      const value = reader.text(reader.unsigned());
      segments.held.set(value, { hash: textHash(value), state: SegmentState.decode(reader) });
    }
    if (reader.byte() === 1) segments.#other = SegmentState.decode(reader);
    return segments;
  }

  #others(): SegmentState {
    this.#other ??= new SegmentState();
    return this.#other;
  }

  #admit(value: string, hash: number): SegmentState | null {
    if (this.held.size >= MOST_SEGMENTS) {
      this.#greatest ??= this.#findGreatest();
      if (!isBefore(hash, value, this.#greatest)) return null;
      const gone = this.#greatest.text;
      this.#others().merge(this.held.get(gone)!.state);
      this.held.delete(gone);
      this.#greatest = null;
    }
    const state = new SegmentState();
    this.held.set(value, { hash, state });
    return state;
  }

  #findGreatest(): { text: string; hash: number } {
    let greatest: { text: string; hash: number } | null = null;
    for (const [text, { hash }] of this.held)
      if (greatest === null || isBefore(greatest.hash, greatest.text, { text, hash })) greatest = { text, hash };
    return greatest!;
  }
}

/** One bucket of event time of one source: the whole, and every segment by name. */
export class BucketState {
  readonly whole: SegmentState;
  readonly segments = new Map<string, NamedSegments>();

  constructor(whole = new SegmentState()) {
    this.whole = whole;
  }

  named(name: string): NamedSegments {
    let segments = this.segments.get(name);
    if (segments === undefined) {
      segments = new NamedSegments();
      this.segments.set(name, segments);
    }
    return segments;
  }

  /** About how much it holds: a count of numbers. */
  get size(): number {
    let { size } = this.whole;
    for (const segments of this.segments.values()) size += segments.size;
    return size;
  }

  merge(from: BucketState): void {
    this.whole.merge(from.whole);
    for (const [name, segments] of from.segments) this.named(name).merge(segments);
  }

  /** Keeps sketches of the whole and of each name's so many largest segments. */
  keepSketches(most: number): void {
    for (const segments of this.segments.values()) {
      for (const [, state] of segments.ranked().slice(most)) state.dropSketches();
      segments.other?.dropSketches();
    }
  }

  /** The canonical bytes of the state: equal states have equal bytes. */
  bytes(): Uint8Array {
    const writer = new ByteWriter();
    writer.byte(FORMAT);
    this.whole.encode(writer);
    writer.unsigned(this.segments.size);
    for (const [name, segments] of [...this.segments].sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.text(name, 0);
      segments.encode(writer);
    }
    return writer.take();
  }

  /** What is stored: those bytes, deflated. */
  stored(): Uint8Array {
    return deflateRawSync(this.bytes(), { level: 3 });
  }

  /** Throws `state-corrupt` of what `stored` never gives. */
  static ofStored(stored: Uint8Array): BucketState {
    const reader = new ByteReader(inflateRawSync(stored, { maxOutputLength: MOST_BYTES }), 0);
    if (reader.byte() !== FORMAT) reader.corrupt('a monitor is of another format');
    const bucket = new BucketState(SegmentState.decode(reader));
    const names = reader.unsigned();
    for (let read = 0; read < names; read++) {
      const name = reader.text(reader.unsigned());
      bucket.segments.set(name, NamedSegments.decode(reader));
    }
    return bucket;
  }
}
