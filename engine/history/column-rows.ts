import type { DuckDBDataChunk } from 'duckdb';
import { type ColumnType, parseColumnType } from '../values/column-type.ts';
import { rawText } from '../values/raw-text.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { describeReceived } from '../values/describe-received.ts';
import { decoderOf } from './column-decoder.ts';
import type { HistoryColumn } from './column-source.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { type RowFiller, rowFiller } from './row-filler.ts';
import { unionColumn, unionValue, type ValueColumn, valueColumn } from './value-column.ts';

/**
 * Decodes chunks whose first columns are the contract's, column by column, into rows that are used again for the next chunk: the hot path
 * of a history. Nothing is allocated per row but the values themselves.
 */
export class ColumnRows {
  /** Decoded rows; valid where `reasons` has no entry. */
  readonly rows: Record<string, unknown>[] = [];
  /** Row number in the chunk to what is wrong with it. */
  readonly reasons = new Map<number, string[]>();
  readonly #columns: readonly (HistoryColumn & { readonly forms: readonly ColumnType[]; readonly read: ValueColumn })[];
  /** Places of columns beside a path column, and of that. */
  readonly #besidePath: readonly (readonly [number, number])[];
  readonly #values: unknown[][];
  readonly #fill: RowFiller;
  readonly #template: Readonly<Record<string, unknown>>;
  #chunk: DuckDBDataChunk | null = null;
  /** The chunk's values as they stand in the files, read where a row of it is shown. */
  #raw: unknown[][] | null = null;

  /** Throws MillraceError `column-type-mismatch`. */
  constructor(source: CompiledSource, columns: readonly HistoryColumn[]) {
    // In the contract's order, absent optional fields included: rows look the same wherever they come from.
    this.#template = Object.fromEntries(source.contract.fields.map(({ name }) => [name, null]));
    this.#columns = columns.map((column) => {
      const decoders = column.variants.map((values) => decoderOf(source, column.field.name, values));
      return {
        ...column,
        forms: column.variants.map(({ judged }) => parseColumnType(judged)),
        read: column.type === 'UNION' ? unionColumn(decoders) : valueColumn(column.type, decoders[0]!),
      };
    });
    this.#values = columns.map(() => []);
    const own = columns.filter(({ isBesidePath }) => isBesidePath !== true);
    this.#fill = rowFiller(own.map(({ field }) => field.name));
    const placeOf = (name: string): number => own.findIndex(({ field }) => field.name === name);
    this.#besidePath = columns
      .map((column, index) => [index, placeOf(column.field.name)] as const)
      .filter(([index]) => columns[index]?.isBesidePath === true);
  }

  /** How many columns of a chunk it takes; further ones are the caller's. */
  get width(): number {
    return this.#columns.length;
  }

  /** A column's values in the chunk at hand, by row number; the same array for every chunk. */
  valuesOf(name: string): readonly unknown[] {
    const values = this.#values[this.#columns.findIndex(({ field }) => field.name === name)];
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
    if (this.#besidePath.length > 0) this.#comparePaths(count);
    this.#fill(rows, this.#values, count);
    return count;
  }

  /** A file's own column must say what its path says. */
  #comparePaths(count: number): void {
    for (const [index, path] of this.#besidePath) {
      const ofFile = this.#values[index]!;
      const ofPath = this.#values[path]!;
      const name = this.#columns[index]!.field.name;
      for (let row = 0; row < count; row++) {
        if (ofFile[row] === ofPath[row] || ofFile[row] === undefined || ofPath[row] === undefined) continue;
        const [expected, received] = [describeReceived(ofPath[row]), describeReceived(ofFile[row])];
        this.#onFault(row, [`${name}: expected ${expected} as in the file's path, received ${received} in the file`]);
      }
    }
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
      this.#columns.map(({ field, isBesidePath }, index) => [
        isBesidePath === true ? `${field.name} (in the file)` : field.name,
        raw[index]?.[row],
      ]),
    );
    return JSON.stringify(values, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  }

  #readRaw(): unknown[][] {
    const chunk = this.#chunk;
    if (chunk === null) throw internalBug('a row is shown before a chunk was decoded');
    return this.#columns.map(({ type, forms }, index) => {
      if (type !== 'UNION') {
        const raw: unknown[] = [];
        rawColumn(type)(chunk, index, raw);
        return raw.map((value) => rawText(forms[0]!, value));
      }
      const vector = chunk.getColumnVector(index);
      return Array.from({ length: chunk.rowCount }, (_, row) => {
        const { member, raw } = unionValue(vector.getItem(row));
        return rawText(forms[member]!, raw);
      });
    });
  }
}
