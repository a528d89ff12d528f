import type { ColumnDecoder } from '../contract/compiled-contract.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { withDecimalComma } from './csv/decimal-comma.ts';

/** What the raw values of a column are. */
export interface ColumnValues {
  /** DuckDB type, as DESCRIBE prints it, that they come as. */
  readonly type: string;
  /** The type that the file has for them: what they are judged by. */
  readonly judged: string;
  /** Which of the two readings they go through: of text (a CSV's cells, folders of a path), or of typed values. */
  readonly reading: 'text' | 'typed';
}

/** The reader of a field from a column, chosen once. Throws `column-type-mismatch`. */
export function decoderOf(source: CompiledSource, field: string, { judged, reading }: ColumnValues): ColumnDecoder {
  if (reading === 'typed') return source.contract.columnDecoder(field, judged);
  const decode = source.contract.textDecoder(field);
  if (source.history?.csv?.decimal !== ',') return decode;
  const type = source.contract.fields.find(({ name }) => name === field)?.type;
  return type === undefined ? decode : withDecimalComma(type, decode);
}

/** Text as a column of values. */
export const TEXT: ColumnValues = { type: 'VARCHAR', judged: 'VARCHAR', reading: 'text' };
