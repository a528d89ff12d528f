import type { FeatureView, KeyOf } from './feature-view.ts';

/** A view under another name in a service, its entity found by other columns: `traffic.as('from', { airport: 'origin' })`. */
export interface ViewRole<
  Name extends string = string,
  View extends FeatureView = FeatureView,
  Columns extends Readonly<Record<string, string>> = Readonly<Record<string, string>>,
> {
  readonly kind: 'view-role';
  readonly name: Name;
  readonly view: View;
  /** Join key of the view to the column it goes by; a key that is not named keeps its name. */
  readonly columns: Columns;
}

/** The columns a role is read by, each with the type of the join key it stands for. */
export type RoleKeyOf<Role> =
  Role extends ViewRole<string, infer View, infer Columns>
    ? {
        readonly [Key in keyof KeyOf<View> as Key extends keyof Columns ? Columns[Key] : Key]: KeyOf<View>[Key];
      }
    : never;

/** The names join keys go by, in their order. */
export function keyColumns(
  keys: readonly { readonly name: string }[],
  columns: Readonly<Record<string, string>>,
): string[] {
  return keys.map(({ name }) => (Object.hasOwn(columns, name) ? columns[name]! : name));
}
