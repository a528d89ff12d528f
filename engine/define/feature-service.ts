import type { z } from 'zod';
import type { FieldValue, Shape } from '../contract/row-of.ts';
import type { AnyBlock, DerivedSet, FeatureValues, ReadTime } from '../derived/derived-feature.ts';
import { type Blocks, blocksOf } from './derived-blocks.ts';
import type { FeatureView, KeyOf, NoDerived, ValuesOf } from './feature-view.ts';
import type { RoleKeyOf, ViewRole } from './view-role.ts';

/** What a service is made of: a view, or a view in a role. */
export type ServiceMember = FeatureView | ViewRole;

/** The list of features one model reads. */
export interface FeatureService<
  Name extends string = string,
  Views extends readonly ServiceMember[] = readonly ServiceMember[],
  Request extends Shape = Shape,
  Derived extends DerivedSet = DerivedSet,
> {
  readonly kind: 'feature-service';
  readonly name: Name;
  readonly views: Views;
  readonly options: ServiceOptions;
  /** What only the caller knows; null: nothing. */
  readonly request: z.ZodObject | null;
  /** What is derived of its views and of the request, block by block. */
  readonly derived: readonly AnyBlock[];
  /** Never set: carry the types of the request's fields and of the derived features. */
  readonly requestShape?: Request;
  readonly derivedSet?: Derived;
}

export interface ServiceOptions {
  /**
   * Share of entities, 0 to 1, whose reads through this service go to the serving log; 1: all of them. Default: that of the client or
   * API (0.01).
   */
  readonly servingLog?: number | undefined;
  /** Parts of its key that reads are told apart by where they are monitored (docs/monitors.md): those of few values. It changes no value. */
  readonly segments?: readonly string[] | undefined;
}

/** A service as one object. */
export interface ServiceDefinition<
  Name extends string,
  Views extends readonly ServiceMember[],
  Request extends Shape,
  D1 extends DerivedSet,
  D2 extends DerivedSet,
  D3 extends DerivedSet,
  D4 extends DerivedSet,
> extends ServiceOptions {
  readonly views: Views;
  /** What only the caller of a read knows: an object of scalars. In a training set, columns of the spine. */
  readonly request?: z.ZodObject<Request> | undefined;
  /**
   * Features made of those of its views, of the request and of the time of the read, when they are read: after `views` and `request`, of which it takes
   * its types. A block, or a list of up to four; what earlier blocks derived is there under the service's own name.
   */
  readonly derived?:
    | Blocks<
        ServiceValuesOf<FeatureService<Name, Views>>,
        RequestContext<Request>,
        D1,
        D2,
        D3,
        D4,
        { readonly [Own in Name]: FeatureValues<D1> },
        { readonly [Own in Name]: FeatureValues<D1 & D2> },
        { readonly [Own in Name]: FeatureValues<D1 & D2 & D3> }
      >
    | undefined;
}

/** What a derived feature of a service gets beside values: the time of the read, and what its caller gave. */
export interface RequestContext<Request> extends ReadTime {
  readonly request: { readonly [Field in keyof Request]: FieldValue<Request[Field]> };
}

/** The fields that may be left out. */
type OptionalField<Request> = {
  [Field in keyof Request]: Request[Field] extends { _zod: { def: { type: 'optional' } } } ? Field : never;
}[keyof Request];

/** What a read of a service takes beside its keys. */
export type RequestOf<Service> =
  Service extends FeatureService<string, readonly ServiceMember[], infer Request>
    ? { readonly [Field in Exclude<keyof Request, OptionalField<Request>>]: FieldValue<Request[Field]> } & {
        readonly [Field in OptionalField<Request>]?: FieldValue<Request[Field]> | undefined;
      }
    : never;

/** The values of a service's own derived features. */
export type DerivedValuesOf<Service> =
  Service extends FeatureService<string, readonly ServiceMember[], Shape, infer Derived>
    ? FeatureValues<Derived>
    : never;

type MemberOf<Service> = Service extends FeatureService<string, infer Views> ? Views[number] : never;

type MemberValues<Member> = Member extends ViewRole<string, infer View> ? ValuesOf<View> : ValuesOf<Member>;

type MemberKey<Member> = Member extends ViewRole ? RoleKeyOf<Member> : KeyOf<Member>;

/** What reading a service gives: per view or role, by its name, the values. */
export type ServiceValuesOf<Service> = {
  readonly [Member in MemberOf<Service> as Member['name']]: MemberValues<Member>;
};

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (member: infer All) => void
  ? All
  : never;

/** The columns reading a service takes: the join keys of its views, those of a role by the names it gives them. */
export type ServiceKeyOf<Service> = Intersection<MemberOf<Service> extends infer Member ? MemberKey<Member> : never>;

/**
 * Declares which views one model reads, in order, each plain or in roles.
 *
 * @example
 * export const delayModel = featureService('delay_model', [routeDelays], { servingLog: 0.05 });
 * export const trafficModel = featureService('traffic_model', {
 *   views: [routeDelays, traffic.as('from', { airport: 'origin' }), traffic.as('to', { airport: 'destination' })],
 *   request: z.object({ seats: z.int() }),
 *   derived: (d) => ({ busy: d.number(({ from }, { request }) => from.departures_1h * request.seats) }),
 * });
 */
export function featureService<
  const Name extends string,
  const Views extends readonly ServiceMember[],
  Request extends Shape = NoFields,
  D1 extends DerivedSet = NoDerived,
  D2 extends DerivedSet = NoDerived,
  D3 extends DerivedSet = NoDerived,
  D4 extends DerivedSet = NoDerived,
>(
  name: Name,
  views: Views | ServiceDefinition<Name, Views, Request, D1, D2, D3, D4>,
  options: ServiceOptions = {},
): FeatureService<Name, Views, Request, D1 & D2 & D3 & D4> {
  const kind = 'feature-service';
  if (isList(views)) return Object.freeze({ kind, name, views, options, request: null, derived: [] });
  const { views: members, request = null, servingLog, segments } = views;
  return Object.freeze({
    kind,
    name,
    views: members,
    options: {
      ...(servingLog === undefined ? {} : { servingLog }),
      ...(segments === undefined ? {} : { segments }),
    },
    request,
    derived: blocksOf((views as { readonly derived?: AnyBlock | readonly AnyBlock[] }).derived),
  });
}

/** No fields at all. */
export type NoFields = { readonly [Name in never]: z.core.$ZodType };

function isList<Views extends readonly ServiceMember[]>(views: Views | { readonly views: Views }): views is Views {
  return Array.isArray(views);
}
