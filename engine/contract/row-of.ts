import type { z } from 'zod';
import type { Micros } from '../values/field-type.ts';

/** The fields of a zod object. */
export type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** The type a field has in a row: a datetime or an epoch is `Micros`, a missing optional field `null`, the rest what zod gives. */
export type FieldValue<S> = S extends { _zod: { def: { type: 'optional' | 'nullable'; innerType: infer I } } }
  ? FieldValue<I> | null
  : S extends { _zod: { def: { type: 'readonly'; innerType: infer I } } }
    ? FieldValue<I>
    : S extends { _zod: { def: { type: 'array'; element: infer I } } }
      ? readonly FieldValue<I>[]
      : S extends { _zod: { def: { type: 'object'; shape: infer Members } } }
        ? RowOf<Members>
        : S extends { _zod: { def: { format: 'datetime' } | { epoch: string } } }
          ? Micros
          : S extends { _zod: { output: infer Output } }
            ? Output
            : never;

/** The row type of a contract's fields. */
export type RowOf<Members> = { readonly [Name in keyof Members]: FieldValue<Members[Name]> };

/** The kind of a field, as `ScalarType` has it, whether nullable or not. `z.number().int()` counts as `double` here. */
export type KindOf<S> = S extends { _zod: { def: { type: 'optional' | 'nullable' | 'readonly'; innerType: infer I } } }
  ? KindOf<I>
  : S extends { _zod: { def: { decimal: object } } }
    ? 'decimal'
    : S extends { _zod: { def: { format: 'datetime' } | { epoch: string } } }
      ? 'timestamp'
      : S extends { _zod: { def: { type: 'string'; format: 'date' } } }
        ? 'date'
        : S extends { _zod: { def: { type: 'number'; format: 'safeint' | 'int32' | 'uint32' } } }
          ? 'int'
          : S extends { _zod: { def: { type: infer Type } } }
            ? Type extends 'number'
              ? 'double'
              : Type extends 'bigint'
                ? 'int64'
                : Type
            : never;

/** The names of the fields of given kinds. */
export type FieldOfKind<Members, Kind> = {
  [Name in keyof Members]: KindOf<Members[Name]> extends Kind ? Name : never;
}[keyof Members] &
  string;

/** The names of the fields of given kinds that are never null. */
export type RequiredFieldOfKind<Members, Kind> = {
  [Name in keyof Members]: null extends FieldValue<Members[Name]>
    ? never
    : KindOf<Members[Name]> extends Kind
      ? Name
      : never;
}[keyof Members] &
  string;

export type NumericKind = 'int' | 'int64' | 'decimal' | 'double';
/** What can be a category, and so a map's key. */
export type CategoryKind = 'string' | 'enum' | 'int' | 'int64' | 'boolean' | 'date';
export type ScalarKind = NumericKind | 'string' | 'boolean' | 'timestamp' | 'date' | 'enum';
