import type { ScalarType, ScalarValue } from '../values/field-type.ts';

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

export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/** The value of a filled cell. */
export function valueOfCell(type: ScalarType): (cell: number) => ScalarValue {
  return type.kind === 'boolean' ? (cell) => cell === 1 : (cell) => cell;
}
