import { decisions, entity, type FeatureClient, featureView, type Micros, outcomes } from 'millrace';
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const offers = decisions('offers', {
  context: z.object({ shop: z.string(), seen_at: z.iso.datetime(), total: z.int64().optional() }),
});
const clicks = outcomes('clicks', { value: z.boolean() });
const departures = outcomes('departures', {
  value: z.int().nullable(),
  entity: z.object({ flight: z.string() }),
  topic: 'departures',
});
const shop = entity('shop', { shop: z.string() });

test('a decision has what every one says, and its context', () => {
  featureView('offers_of_shop', {
    entity: shop,
    source: offers,
    key: (d) => ({ shop: d.context.shop }),
    where: (d) => {
      expectTypeOf(d.decided_at).toEqualTypeOf<Micros>();
      expectTypeOf(d.propensity).toEqualTypeOf<number | null>();
      expectTypeOf(d.context.seen_at).toEqualTypeOf<Micros>();
      expectTypeOf(d.context.total).toEqualTypeOf<bigint | null>();
      expectTypeOf(d.alternatives[0]!.action).toEqualTypeOf<string>();
      expectTypeOf(d.reads[0]!.seq).toEqualTypeOf<number | null>();
      // @ts-expect-error no such field of its context
      void d.context.nope;
      return d.acted;
    },
    features: (f) => ({ offers_1d: f.count().over('1d'), score_avg: f.avg('score') }),
  });
});

test('an outcome has its value, and what it is about where it may name no decision', () => {
  featureView('clicks_of_shop', {
    entity: shop,
    source: clicks,
    key: (o) => {
      expectTypeOf(o.value).toEqualTypeOf<boolean>();
      expectTypeOf(o.decision_id).toEqualTypeOf<string | null>();
      return { shop: o.name };
    },
    features: (f) => ({ clicks_1d: f.count().over('1d') }),
  });
  featureView('delays_of_shop', {
    entity: shop,
    source: departures,
    key: (o) => {
      expectTypeOf(o.value).toEqualTypeOf<number | null>();
      expectTypeOf(o.entity).toEqualTypeOf<{ readonly flight: string } | null>();
      return { shop: o.entity?.flight ?? '' };
    },
    features: (f) => ({ delay_avg: f.avg('value') }),
  });
});

test('a client takes the context, the value and the entity that were declared, and no others', () => {
  const say = (client: FeatureClient, at: Micros): void => {
    const id = client.decide(offers, { action: 'a', context: { shop: 'north', seen_at: at, total: 5n } });
    expectTypeOf(id).toEqualTypeOf<string>();
    client.decide(offers, { action: 'a', context: { shop: 'north', seen_at: new Date(0) } });
    // @ts-expect-error the shop is missing
    client.decide(offers, { action: 'a', context: { seen_at: at } });
    // @ts-expect-error an int64 is a bigint
    client.decide(offers, { action: 'a', context: { shop: 'north', seen_at: at, total: 5 } });
    // @ts-expect-error no action
    client.decide(offers, { context: { shop: 'north', seen_at: at } });
    // @ts-expect-error outcomes are no decisions
    client.decide(clicks, { action: 'a', context: {} });
    client.outcome(clicks, { decision: id, name: 'click', value: true });
    // @ts-expect-error a click is true or false
    client.outcome(clicks, { decision: id, name: 'click', value: 1 });
    client.outcome(departures, { entity: { flight: 'A1' }, name: 'delay', value: null });
    // @ts-expect-error no such entity
    client.outcome(departures, { entity: { plane: 'A1' }, name: 'delay', value: 3 });
  };
  expectTypeOf(say).returns.toBeVoid();
});
