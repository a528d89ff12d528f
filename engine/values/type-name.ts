import type { ScalarType } from './field-type.ts';

/** A type as messages name it: `decimal(10,2)`. */
export function nameOfType(type: ScalarType): string {
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}
