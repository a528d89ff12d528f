import type { FieldValue, KindOf, RowOf, Shape } from '../contract/row-of.ts';
import type { AnyBlock, DerivedFeature, DerivedSet, FeatureValues, ReadTime } from '../derived/derived-feature.ts';
import { type Blocks, blocksOf } from './derived-blocks.ts';
import type { Duration } from './duration.ts';
import type { Entity } from './entity.ts';
import type { FeatureSet, RowFunction } from './feature.ts';
import { type FeatureBuilder, featureBuilder } from './feature-builder.ts';
import type { Source } from './source.ts';
import type { ViewRole } from './view-role.ts';

/** A feature view as `featureView()` gives it; `Keys`, `Features` and `Derived` carry the types that reading it needs. */
export interface FeatureView<
  Name extends string = string,
  Keys extends Shape = Shape,
  Features extends FeatureSet = FeatureSet,
  Derived extends DerivedSet = DerivedSet,
> {
  readonly kind: 'feature-view';
  readonly name: Name;
  readonly entity: Entity<string, Keys>;
  readonly source: Source;
  readonly where: RowFunction | null;
  readonly key: RowFunction | null;
  readonly refresh: string | null;
  readonly expire: string | null;
  readonly segments?: readonly string[] | undefined;
  /** Builds the features anew. Throws what the user's function throws. */
  readonly build: () => Features;
  /** What is derived of its features, block by block. */
  readonly derived: readonly AnyBlock[];
  /** Never set: carries the types of the derived features. */
  readonly derivedSet?: Derived;
  /**
   * The view in a role of a service: under a name of its own, its entity found by other columns. One view may stand in several roles, and plain too.
   *
   * @param role a name that no view has; it stands where the view's would: `values` of a read, columns of a training set
   * @param columns join key to the column it goes by; a key that is not named keeps its name
   * @example
   * featureService('delay_model', [traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })]);
   */
  as<const Role extends string, const Columns extends Readonly<Record<string, string>>>(
    role: Role,
    columns: Columns & { readonly [Key in Exclude<keyof Columns, keyof Keys>]: never },
  ): ViewRole<Role, FeatureView<Name, Keys, Features, Derived>, Columns>;
}

/** The join keys a view is read by. */
export type KeyOf<View> =
  View extends FeatureView<string, infer Keys>
    ? { readonly [Name in keyof Keys]: NonNullable<FieldValue<Keys[Name]>> }
    : never;

/** The values reading a view gives: every feature by name, stored and derived; counts are never null, all else may be. */
export type ValuesOf<View> =
  View extends FeatureView<string, Shape, infer Features, infer Derived> ? FeatureValues<Features & Derived> : never;

type KeyResult<Keys> = { readonly [Name in keyof Keys]: FieldValue<Keys[Name]> | null };

/** Whether a field can stand for a join key as it is: the same kind, or an enum for a string. */
type Fits<Field, Key> =
  NonNullable<FieldValue<Field>> extends FieldValue<Key>
    ? KindOf<Field> extends KindOf<Key> | ('string' extends KindOf<Key> ? 'enum' : never)
      ? true
      : false
    : false;

type AllFit<Keys, Members> = false extends {
  [Name in keyof Keys]: Name extends keyof Members ? Fits<Members[Name], Keys[Name]> : false;
}[keyof Keys]
  ? false
  : true;

/** No derived features: no names at all, so that a misspelt one is none of them. */
export type NoDerived = { readonly [Name in never]: DerivedFeature };

export interface ViewOptions<
  Keys extends Shape,
  Members extends Shape,
  Features extends FeatureSet,
  D1 extends DerivedSet = NoDerived,
  D2 extends DerivedSet = NoDerived,
  D3 extends DerivedSet = NoDerived,
  D4 extends DerivedSet = NoDerived,
> {
  readonly entity: Entity<string, Keys>;
  readonly source: Source<string, Members>;
  /** Keeps the rows it is true for; the others are counted as filtered. */
  readonly where?: ((row: RowOf<Members>) => boolean) | undefined;
  /** The join keys of a row, where they are not its same-named fields. Null: the row belongs to no entity. */
  readonly key?: ((row: RowOf<Members>) => KeyResult<Keys>) | undefined;
  readonly features: (f: FeatureBuilder<Members>) => Features;
  /**
   * Features made of these, and of the time of the read, when they are read: after `features`, of which it takes its types. A block, or a list of up to
   * four of which each sees those before it. It changes no state, so a change of it needs no backfill.
   */
  readonly derived?:
    | Blocks<
        FeatureValues<Features>,
        ReadTime,
        D1,
        D2,
        D3,
        D4,
        FeatureValues<D1>,
        FeatureValues<D1 & D2>,
        FeatureValues<D1 & D2 & D3>
      >
    | undefined;
  /** How often the published view is brought up to date while it does not stream, e.g. `'6h'`. Default: by hand. */
  readonly refresh?: Duration | undefined;
  /**
   * An entity whose newest event (of those that `where` keeps) is so long before a read, or longer, reads as never seen, in training and in serving:
   * `found: false`, counts 0, all else null or its default. A later event brings its earlier ones back. Default: never.
   */
  readonly expire?: Duration | undefined;
  /** Parts of the entity's key that its values are told apart by where they are monitored (docs/monitors.md): those of few values. It changes no value. */
  readonly segments?: readonly (keyof Keys & string)[] | undefined;
}

/**
 * Declares the features of an entity over a source. Nothing runs here; faults are reported by `millrace plan`.
 *
 * @example
 * export const routeDelays = featureView('route_delays', {
 *   entity: route,
 *   source: flights,
 *   features: (f) => ({ flights_1d: f.count().over('1d'), flights_7d: f.count().over('7d') }),
 *   derived: (d) => ({ trend: d.number((v) => (v.flights_7d === 0 ? null : (7 * v.flights_1d) / v.flights_7d)) }),
 * });
 */
export function featureView<
  const Name extends string,
  Keys extends Shape,
  Members extends Shape,
  Features extends FeatureSet,
  D1 extends DerivedSet = NoDerived,
  D2 extends DerivedSet = NoDerived,
  D3 extends DerivedSet = NoDerived,
  D4 extends DerivedSet = NoDerived,
>(
  name: Name,
  options: ViewOptions<Keys, Members, Features, D1, D2, D3, D4> &
    (AllFit<Keys, Members> extends true ? unknown : { readonly key: (row: RowOf<Members>) => KeyResult<Keys> }),
): FeatureView<Name, Keys, Features, D1 & D2 & D3 & D4> {
  const { derived } = options as { readonly derived?: AnyBlock | readonly AnyBlock[] };
  const view: FeatureView<Name, Keys, Features, D1 & D2 & D3 & D4> = Object.freeze({
    kind: 'feature-view',
    name,
    entity: options.entity,
    source: options.source,
    where: (options.where as RowFunction | undefined) ?? null,
    key: (options.key as RowFunction | undefined) ?? null,
    refresh: options.refresh ?? null,
    expire: options.expire ?? null,
    ...(options.segments === undefined ? {} : { segments: options.segments }),
    build: () => options.features(featureBuilder<Members>()),
    derived: blocksOf(derived),
    as: <const Role extends string, const Columns extends Readonly<Record<string, string>>>(
      role: Role,
      columns: Columns,
    ) => Object.freeze({ kind: 'view-role' as const, name: role, view, columns }),
  });
  return view;
}
