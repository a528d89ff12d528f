import type { ResultType } from './result-type.ts';

/** A type as messages name it: `decimal(10,2)`, `list of int`, `map of string to double`. */
export function nameOfType(type: ResultType): string {
  if (type.kind === 'list') return `list of ${nameOfType(type.item)}`;
  if (type.kind === 'map') return `map of ${nameOfType(type.key)} to ${nameOfType(type.value)}`;
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}
