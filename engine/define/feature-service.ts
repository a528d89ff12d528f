import type { FeatureView, KeyOf, ValuesOf } from './feature-view.ts';
import type { RoleKeyOf, ViewRole } from './view-role.ts';

/** What a service is made of: a view, or a view in a role. */
export type ServiceMember = FeatureView | ViewRole;

/** The list of features one model reads. */
export interface FeatureService<
  Name extends string = string,
  Views extends readonly ServiceMember[] = readonly ServiceMember[],
> {
  readonly kind: 'feature-service';
  readonly name: Name;
  readonly views: Views;
  readonly options: ServiceOptions;
}

export interface ServiceOptions {
  /**
   * Share of entities, 0 to 1, whose reads through this service go to the serving log; 1: all of them. Default: that of the client or
   * API (0.01).
   */
  readonly servingLog?: number | undefined;
}

/** A service as one object. */
export interface ServiceDefinition<Views extends readonly ServiceMember[]> extends ServiceOptions {
  readonly views: Views;
}

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
 * });
 */
export function featureService<const Name extends string, const Views extends readonly ServiceMember[]>(
  name: Name,
  views: Views | ServiceDefinition<Views>,
  options: ServiceOptions = {},
): FeatureService<Name, Views> {
  if (isList(views)) return Object.freeze({ kind: 'feature-service', name, views, options });
  const { views: members, ...own } = views;
  return Object.freeze({ kind: 'feature-service', name, views: members, options: own });
}

function isList<Views extends readonly ServiceMember[]>(views: Views | ServiceDefinition<Views>): views is Views {
  return Array.isArray(views);
}
