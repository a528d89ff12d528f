import type { DuckDBDataChunk } from 'duckdb';
import { type ColumnType, parseColumnType } from '../values/column-type.ts';
import { rawText } from '../values/raw-text.ts';
import type { CompiledContract } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { HistoryColumn } from './column-source.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { type RowFiller, rowFiller } from './row-filler.ts';
import { type ValueColumn, valueColumn } from './value-column.ts';

/**
 * Decodes chunks whose first columns are the contract's, column by column, into rows that are used again for the next chunk: the hot path
 * of a history. Nothing is allocated per row but the values themselves.
 */
export class ColumnRows {
  /** Decoded rows; valid where `reasons` has no entry. */
  readonly rows: Record<string, unknown>[] = [];
  /** Row number in the chunk to what is wrong with it. */
  readonly reasons = new Map<number, string[]>();
  readonly #columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly form: ColumnType;
    readonly read: ValueColumn;
  }[];
  readonly #values: unknown[][];
  readonly #fill: RowFiller;
  readonly #template: Readonly<Record<string, unknown>>;
  #chunk: DuckDBDataChunk | null = null;
  /** The chunk's raw values, read where a row of it is shown. */
  #raw: unknown[][] | null = null;

  /** Throws MillraceError `column-type-mismatch`. */
  constructor(contract: CompiledContract, columns: readonly HistoryColumn[]) {
    // In the contract's order, absent optional fields included: rows look the same wherever they come from.
    this.#template = Object.fromEntries(contract.fields.map(({ name }) => [name, null]));
    this.#columns = columns.map(({ field, type, reading }) => ({
      name: field.name,
      form: parseColumnType(type),
      type,
      read: valueColumn(
        type,
        reading === 'text' ? contract.textDecoder(field.name) : contract.columnDecoder(field.name, type),
      ),
    }));
    this.#values = columns.map(() => []);
    this.#fill = rowFiller(columns.map(({ field }) => field.name));
  }

  /** How many columns of a chunk it takes; further ones are the caller's. */
  get width(): number {
    return this.#columns.length;
  }

  /** A column's values in the chunk at hand, by row number; the same array for every chunk. */
  valuesOf(name: string): readonly unknown[] {
    const values = this.#values[this.#columns.findIndex((column) => column.name === name)];
    if (values === undefined) throw internalBug(`no column "${name}" is decoded`);
    return values;
  }

  /** Decodes a chunk; gives how many rows it has. */
  decode(chunk: DuckDBDataChunk): number {
    const count = chunk.rowCount;
    const { rows, reasons } = this;
    while (rows.length < count) rows.push({ ...this.#template });
    reasons.clear();
    this.#chunk = chunk;
    this.#raw = null;
    for (const [index, { read }] of this.#columns.entries()) read(chunk, index, this.#values[index]!, this.#onFault);
    this.#fill(rows, this.#values, count);
    return count;
  }

  readonly #onFault = (row: number, found: readonly string[]): void => {
    const known = this.reasons.get(row);
    if (known === undefined) this.reasons.set(row, [...found]);
    else known.push(...found);
  };

  /** A row of the last chunk as it stands in the history, as JSON. */
  payload(row: number): string {
    const raw = (this.#raw ??= this.#readRaw());
    const values = Object.fromEntries(
      this.#columns.map(({ name, form }, index) => [name, rawText(form, raw[index]?.[row])]),
    );
    return JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  }

  #readRaw(): unknown[][] {
    const chunk = this.#chunk;
    if (chunk === null) throw internalBug('a row is shown before a chunk was decoded');
    return this.#columns.map(({ type }, index) => {
      const raw: unknown[] = [];
      rawColumn(type)(chunk, index, raw);
      return raw;
    });
  }
}
