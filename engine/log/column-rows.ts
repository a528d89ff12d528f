import type { DuckDBDataChunk } from 'duckdb';
import { formatDateTime } from '../contract/iso-time.ts';
import type { CompiledContract } from '../define/compiled-view.ts';
import type { HistoryColumn } from './column-source.ts';
import { type RawColumn, rawColumn } from './raw-column.ts';
import { type Decode, rememberedDecode } from './remembered-decode.ts';

interface ColumnPlan {
  readonly name: string;
  readonly type: string;
  readonly read: RawColumn;
  readonly decode: Decode;
  readonly raw: unknown[];
}

/**
 * Decodes chunks whose first columns are the contract's, column by column, into rows that are used again for the next chunk: the hot path
 * of a history. Nothing is allocated per row but the values themselves.
 */
export class ColumnRows {
  /** Decoded rows; valid where `reasons` has no entry. */
  readonly rows: Record<string, unknown>[] = [];
  /** Row number in the chunk to what is wrong with it. */
  readonly reasons = new Map<number, string[]>();
  readonly #columns: readonly ColumnPlan[];
  readonly #template: Readonly<Record<string, unknown>>;

  /** Throws MillraceError `column-type-mismatch`. */
  constructor(contract: CompiledContract, columns: readonly HistoryColumn[]) {
    // In the contract's order, absent optional fields included: rows look the same wherever they come from.
    this.#template = Object.fromEntries(contract.fields.map(({ name }) => [name, null]));
    this.#columns = columns.map(({ field, type }) => ({
      name: field.name,
      type,
      read: rawColumn(type),
      decode: rememberedDecode(contract.columnDecoder(field.name, type), type),
      raw: [],
    }));
  }

  /** How many columns of a chunk it takes; further ones are the caller's. */
  get width(): number {
    return this.#columns.length;
  }

  /** Decodes a chunk; gives how many rows it has. */
  decode(chunk: DuckDBDataChunk): number {
    const count = chunk.rowCount;
    const { rows, reasons } = this;
    while (rows.length < count) rows.push({ ...this.#template });
    reasons.clear();
    const found: string[] = [];
    for (let index = 0; index < this.#columns.length; index++) {
      const { name, read, decode, raw } = this.#columns[index] as ColumnPlan;
      read(chunk, index, raw);
      for (let row = 0; row < count; row++) {
        (rows[row] as Record<string, unknown>)[name] = decode(raw[row], found);
        if (found.length > 0) {
          const known = reasons.get(row);
          if (known === undefined) reasons.set(row, [...found]);
          else known.push(...found);
          found.length = 0;
        }
      }
    }
    return count;
  }

  /** A row of the last chunk as it stands in the history, as JSON. */
  payload(row: number): string {
    const values = Object.fromEntries(this.#columns.map(({ name, type, raw }) => [name, shown(raw[row], type)]));
    return JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  }
}

function shown(raw: unknown, type: string): unknown {
  if (typeof raw !== 'number' && typeof raw !== 'bigint') return raw;
  if (/^TIMESTAMP(?:TZ| WITH TIME ZONE)?$/.test(type)) {
    const epochUs = Number(raw);
    return Math.abs(epochUs) <= 8.64e18 / 1000 ? formatDateTime(epochUs) : `${raw} µs`;
  }
  if (type === 'DATE') return new Date(Number(raw) * 86_400_000).toISOString().slice(0, 10);
  const scale = /^DECIMAL\(\d+,\s*(\d+)\)$/.exec(type)?.[1];
  return scale === undefined || scale === '0' ? raw : `${raw}e-${scale}`;
}
