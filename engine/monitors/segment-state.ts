import type { ByteReader } from '../reduce/byte-reader.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import { LeastCounts } from './least-counts.ts';
import type { RecordSummary } from './monitor-bucket.ts';
import type { ValueKind } from './monitored-field.ts';
import { ValueState } from './value-state.ts';

/** Reasons that are told apart; the rest is `other`. */
const MOST_REASONS = 32;
const KINDS: readonly ValueKind[] = ['double', 'whole', 'text', 'plain'];

/** A field as a bucket holds it. A field whose type was changed is another one. */
export interface StateField {
  readonly name: string;
  readonly kind: ValueKind;
  readonly scale: number;
}

/** What tells fields of one bucket apart, and orders them. */
export function fieldKey({ name, kind, scale }: StateField): string {
  return `${name}\0${kind}\0${scale}`;
}

/** One segment of one bucket, or the whole of it: its records and each field's values. A function of the set of records. */
export class SegmentState {
  records = 0;
  readonly invalid = new LeastCounts(MOST_REASONS);
  readonly leftOut = new LeastCounts(MOST_REASONS);
  #lagMs: number | bigint = 0;
  /** By `fieldKey`. */
  readonly fields = new Map<string, { readonly field: StateField; readonly values: ValueState }>();

  get size(): number {
    let size = 32;
    for (const { values } of this.fields.values()) size += values.size;
    return size;
  }

  /** Whole ms; the sum is exact. */
  addLag(lagMs: number | bigint): void {
    const held = this.#lagMs;
    if (typeof held === 'number' && typeof lagMs === 'number') {
      const sum = held + lagMs;
      if (Number.isSafeInteger(sum)) {
        this.#lagMs = sum;
        return;
      }
    }
    const sum = BigInt(held) + BigInt(lagMs);
    const number = Number(sum);
    this.#lagMs = Number.isSafeInteger(number) ? number : sum;
  }

  valuesOf(key: string, field: StateField): ValueState {
    const held = this.fields.get(key);
    if (held !== undefined) return held.values;
    const values = new ValueState(field.kind, field.scale);
    this.fields.set(key, { field: { name: field.name, kind: field.kind, scale: field.scale }, values });
    return values;
  }

  merge(from: SegmentState): void {
    this.records += from.records;
    this.invalid.merge(from.invalid);
    this.leftOut.merge(from.leftOut);
    this.addLag(from.#lagMs);
    for (const [key, { field, values }] of from.fields) this.valuesOf(key, field).merge(values);
  }

  dropSketches(): void {
    for (const { values } of this.fields.values()) values.dropSketches();
  }

  summary(): { readonly count: number; readonly records: RecordSummary } {
    return {
      count: this.records,
      records: {
        invalid: reasonsOf(this.invalid),
        leftOut: reasonsOf(this.leftOut),
        lagSumMs: Number(this.#lagMs),
        found: null,
      },
    };
  }

  encode(writer: ByteWriter): void {
    writer.unsigned(this.records);
    this.invalid.encode(writer);
    this.leftOut.encode(writer);
    writer.signed(this.#lagMs);
    writer.unsigned(this.fields.size);
    for (const [, { field, values }] of [...this.fields].sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.text(field.name, 0);
      writer.byte(KINDS.indexOf(field.kind));
      writer.unsigned(field.scale);
      values.encode(writer);
    }
  }

  static decode(reader: ByteReader): SegmentState {
    const segment = new SegmentState();
    segment.records = reader.unsigned();
    segment.invalid.decode(reader);
    segment.leftOut.decode(reader);
    segment.addLag(reader.signed());
    const fields = reader.unsigned();
    for (let read = 0; read < fields; read++) {
      const name = reader.text(reader.unsigned());
      const kind = KINDS[reader.byte()] ?? reader.corrupt('a field has no kind');
      const field = { name, kind, scale: reader.unsigned() };
      segment.valuesOf(fieldKey(field), field).decode(reader);
    }
    return segment;
  }
}

function reasonsOf(counts: LeastCounts): Map<string, number> {
  const reasons = new Map(counts.ranked());
  if (counts.others > 0) reasons.set('other', (reasons.get('other') ?? 0) + counts.others);
  return reasons;
}
