import type { FeatureView, KeyOf, ValuesOf } from './feature-view.ts';

/** The list of features one model reads. */
export interface FeatureService<
  Name extends string = string,
  Views extends readonly FeatureView[] = readonly FeatureView[],
> {
  readonly kind: 'feature-service';
  readonly name: Name;
  readonly views: Views;
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
 * export const delayModel = featureService('delay_model', [routeDelays]);
 */
export function featureService<const Name extends string, const Views extends readonly FeatureView[]>(
  name: Name,
  views: Views,
): FeatureService<Name, Views> {
  return Object.freeze({ kind: 'feature-service', name, views });
}
