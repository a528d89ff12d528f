import type { FieldSpec } from '../../engine/values/field-type.ts';
import { nameOfType } from '../../engine/values/type-name.ts';

/** The type of a field of a contract, in words. */
export function typeWords({ type }: Pick<FieldSpec, 'type'>): string {
  if (type.kind === 'array') return `list of ${typeWords(type.item)}`;
  if (type.kind === 'object') return `object of ${type.fields.map(({ name }) => name).join(', ')}`;
  return nameOfType(type);
}
