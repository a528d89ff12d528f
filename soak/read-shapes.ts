import type { CompiledView } from '../engine/define/compiled-view.ts';
import type { FeatureView } from '../engine/define/feature-view.ts';
import { customerLife, customerSpend } from './features/customers.ts';
import { airportTraffic, arrivals, haulTraffic, routeDelays } from './features/flights.ts';
import { offerResponses, offerSuggestions } from './features/offers.ts';
import { laneTotals, shopCurrencies, shopPulse, shopQuality } from './features/shops.ts';
import { anyCurrency, anyCustomer, anyDay, anyShop } from './payment-entities.ts';
import { anyOffer } from './loop/suggestion-maker.ts';
import type { Random } from './random.ts';
import type { Route } from './workspace.ts';

/** How a view is read: which entities are asked for, as JSON has them. */
export interface ReadShape {
  readonly view: FeatureView;
  /** Features of a read, derived ones among them: the cells it gives. */
  readonly cells: number;
  key(random: Random, nowMs: number): Readonly<Record<string, string | number | boolean>>;
}

/** A few that nobody has ever seen, among those there are. */
const UNKNOWN_SHARE = 0.02;

/** The views with their keys; frequent entities are asked for more often than rare ones. */
export function readShapes(
  routes: readonly Route[],
  compiled: ReadonlyMap<string, CompiledView>,
): readonly ReadShape[] {
  const anyRoute = (random: Random): Route =>
    random.chance(UNKNOWN_SHARE)
      ? { origin: 'XXX', destination: random.pick(routes).destination }
      : routes[Math.floor(routes.length * random.real() ** 2)]!;
  const shape = (view: FeatureView, key: ReadShape['key']): ReadShape => ({
    view,
    cells: compiled.get(view.name)!.layout.features.length,
    key,
  });
  return [
    shape(routeDelays, (random) => ({ ...anyRoute(random) })),
    shape(airportTraffic, (random) => ({ airport: anyRoute(random).origin })),
    shape(arrivals, (random) => ({ destination: anyRoute(random).destination })),
    shape(haulTraffic, (random) => ({ band: random.int(0, 12) })),
    shape(customerSpend, (random) => ({ customer: random.chance(UNKNOWN_SHARE) ? -1 : anyCustomer(random) })),
    shape(customerLife, (random) => ({ customer: anyCustomer(random) })),
    shape(shopPulse, (random) => ({ shop: random.chance(UNKNOWN_SHARE) ? 'nowhere' : anyShop(random) })),
    shape(shopCurrencies, (random) => ({ shop: anyShop(random), currency: anyCurrency(random) })),
    shape(shopQuality, (random) => ({ shop: anyShop(random) })),
    shape(laneTotals, (random, nowMs) => ({ day: anyDay(random, nowMs), express: random.chance(0.5) })),
    shape(offerSuggestions, (random) => ({ offer: random.chance(UNKNOWN_SHARE) ? 'none' : anyOffer(random) })),
    shape(offerResponses, (random) => ({ offer: anyOffer(random) })),
  ];
}
