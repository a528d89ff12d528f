import type { FeatureView, KeyOf, ValuesOf } from './feature-view.ts';

/** The list of features one model reads. */
export interface FeatureService<
  Name extends string = string,
  Views extends readonly FeatureView[] = readonly FeatureView[],
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

type ViewOf<Service> = Service extends FeatureService<string, infer Views> ? Views[number] : never;

/** What reading a service gives: per view name, its values. */
export type ServiceValuesOf<Service> = {
  readonly [View in ViewOf<Service> as View['name']]: ValuesOf<View>;
};

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (member: infer All) => void
  ? All
  : never;

/** The join keys reading a service takes: those of all its views. */
export type ServiceKeyOf<Service> = Intersection<ViewOf<Service> extends infer View ? KeyOf<View> : never>;

/**
 * Declares which views one model reads, in order.
 *
 * @example
 * export const delayModel = featureService('delay_model', [routeDelays], { servingLog: 0.05 });
 */
export function featureService<const Name extends string, const Views extends readonly FeatureView[]>(
  name: Name,
  views: Views,
  options: ServiceOptions = {},
): FeatureService<Name, Views> {
  return Object.freeze({ kind: 'feature-service', name, views, options });
}
