import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { HeldRef, RowPlace, TileRows } from './tile-rows.ts';

/** True where a row holds a value of the type as a number in a cell; else it is a ref. */
export function heldInCell(type: ScalarType): boolean {
  return type.kind === 'int' || type.kind === 'double' || type.kind === 'timestamp' || type.kind === 'boolean';
}

/** A value as a cell: booleans are 0 and 1, and -0 is 0. */
export function cellOfValue(value: ScalarValue): number {
  return typeof value === 'boolean' ? Number(value) : (value as number) + 0;
}

/** A value as a ref. Lone surrogates have no UTF-8: they become U+FFFD here, so that memory and bytes agree. */
export function refOfValue(value: ScalarValue): string | bigint {
  return typeof value === 'string' ? wellFormed(value) : (value as bigint);
}

/** A value as a row or a list holds it, whatever its type. */
export function asHeld(type: ScalarType): (value: NonNullable<ScalarValue>) => NonNullable<ScalarValue> {
  if (!heldInCell(type)) return refOfValue;
  return type.kind === 'boolean' ? (value) => value : (value) => (value as number) + 0;
}

export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/** The value of a filled cell. */
export function valueOfCell(type: ScalarType): (cell: number) => ScalarValue {
  return type.kind === 'boolean' ? (cell) => cell === 1 : (cell) => cell;
}

/** A value in its place in the rows: the cell `cell`, or the ref `ref`, whichever holds the type. */
export interface HeldValue {
  /** Of a row that has one. */
  at(rows: TileRows, row: number): NonNullable<ScalarValue>;
  store(rows: TileRows, row: number, value: ScalarValue): void;
}

export function heldValue(
  type: ScalarType,
  { cell, ref, cellStride, refStride }: Pick<RowPlace, 'cell' | 'ref' | 'cellStride' | 'refStride'>,
): HeldValue {
  if (!heldInCell(type)) {
    return {
      at: (rows, row) => rows.refs[row * refStride + ref] as HeldRef,
      store(rows, row, value) {
        rows.refs[row * refStride + ref] = refOfValue(value);
      },
    };
  }
  const toValue = valueOfCell(type);
  return {
    at: (rows, row) => toValue(rows.cells[row * cellStride + cell]!) as number | boolean,
    store(rows, row, value) {
      rows.cells[row * cellStride + cell] = cellOfValue(value);
    },
  };
}
