import {
  type Entity,
  entity,
  type ErrorCode,
  featureService,
  type FeatureClient,
  featureView,
  type ServiceKeyOf,
  type ServiceValuesOf,
  source,
  type ValuesOf,
} from 'millrace';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { airportTraffic, delayModel, routeDelays } from '../../features/flights.ts';

const events = source('events', {
  schema: z.object({ at: z.iso.datetime(), city: z.string(), count: z.int().nullable() }),
  eventTime: 'at',
  topic: 'events',
});
const city = entity('city', { city: z.string() });

test('services know their views, keys and values', () => {
  expectTypeOf<ServiceValuesOf<typeof delayModel>>().toEqualTypeOf<{
    readonly route_delays: ValuesOf<typeof routeDelays>;
    readonly from: ValuesOf<typeof airportTraffic>;
    readonly to: ValuesOf<typeof airportTraffic>;
  }>();
  expectTypeOf<ServiceKeyOf<typeof delayModel>>().toExtend<{ origin: string; destination: string }>();
  expectTypeOf<keyof ServiceKeyOf<typeof delayModel>>().toEqualTypeOf<'origin' | 'destination'>();
  expectTypeOf<ValuesOf<typeof routeDelays>['late_share_7d']>().toEqualTypeOf<number | null>();
  expectTypeOf<ValuesOf<typeof airportTraffic>['departures']>().toEqualTypeOf<number>();
  expectTypeOf<typeof delayModel.name>().toEqualTypeOf<'delay_model'>();
  expectTypeOf(entity('e', { a: z.string() })).toEqualTypeOf<Entity<'e', { a: z.ZodString }>>();
  // @ts-expect-error a service lists views
  featureService('s', [city]);
  // @ts-expect-error nor under `views`
  featureService('s', { views: [city] });
  // @ts-expect-error a share is a number
  featureService('s', { views: [routeDelays], servingLog: 'all' });
});

test('roles have keys and values of their own', () => {
  const from = airportTraffic.as('from', { airport: 'origin' });
  const back = routeDelays.as('back', { origin: 'destination', destination: 'origin' });
  const onward = routeDelays.as('onward', { destination: 'next' });
  const model = featureService('model', { views: [airportTraffic, from, back, onward], servingLog: 1 });
  expectTypeOf<ServiceValuesOf<typeof model>>().toEqualTypeOf<{
    readonly airport_traffic: ValuesOf<typeof airportTraffic>;
    readonly from: ValuesOf<typeof airportTraffic>;
    readonly back: ValuesOf<typeof routeDelays>;
    readonly onward: ValuesOf<typeof routeDelays>;
  }>();
  expectTypeOf<ServiceKeyOf<typeof model>>().toExtend<{
    readonly airport: string;
    readonly origin: string;
    readonly destination: string;
    readonly next: string;
  }>();
  expectTypeOf<keyof ServiceKeyOf<typeof model>>().toEqualTypeOf<'airport' | 'origin' | 'destination' | 'next'>();
  const numbered = featureView('numbered', {
    entity: entity('number', { number: z.int() }),
    source: events,
    key: (e) => ({ number: e.count }),
    features: (f) => ({ n: f.count() }),
  });
  const typed = featureService('typed', [numbered.as('one', { number: 'first' })]);
  expectTypeOf<ServiceKeyOf<typeof typed>>().toEqualTypeOf<{ readonly first: number }>();
  // @ts-expect-error no such join key
  airportTraffic.as('from', { aiport: 'origin' });
  // @ts-expect-error a column has a name
  airportTraffic.as('from', { airport: 1 });
  const reads = async (client: FeatureClient): Promise<void> => {
    const key = { airport: 'LAS', origin: 'LAS', destination: 'PHL', next: 'JFK' };
    const read = await client.getService(model, key);
    expectTypeOf(read.from.values.departures).toEqualTypeOf<number | null>();
    // @ts-expect-error no such role
    void read.to;
    // @ts-expect-error the view has no such feature
    void read.from.values.flights_1d;
    // @ts-expect-error the column of a role is missing
    await client.getService(model, { airport: 'LAS', origin: 'LAS', destination: 'PHL' });
    // @ts-expect-error a column has the type of its join key
    await client.getService(typed, { first: 'LAS' });
  };
  expect(reads).toBeTypeOf('function');
});

test('a client is typed by the definitions', () => {
  const reads = async (client: FeatureClient): Promise<void> => {
    const read = await client.get(routeDelays, { origin: 'LAS', destination: 'PHL' });
    // Before its errors were looked at, any value may be null.
    expectTypeOf(read.values.flights_1d).toEqualTypeOf<number | null>();
    expectTypeOf(read.values.delay_max_1d).toEqualTypeOf<number | null>();
    expectTypeOf(read.errors?.flights_1d).toEqualTypeOf<ErrorCode | undefined>();
    expectTypeOf(read.errors?.['*']).toEqualTypeOf<ErrorCode | undefined>();
    // @ts-expect-error no such feature
    void read.errors?.nope;
    if (read.errors === null) {
      expectTypeOf(read.values).toEqualTypeOf<ValuesOf<typeof routeDelays>>();
      expectTypeOf(read.values.flights_1d).toEqualTypeOf<number>();
    }
    const { values, errors } = read;
    if (errors === null) expectTypeOf(values.flights_1d).toEqualTypeOf<number>();
    // @ts-expect-error a key is missing
    await client.get(routeDelays, { origin: 'LAS' });
    // @ts-expect-error a key has the wrong type
    await client.get(routeDelays, { origin: 'LAS', destination: 7 });
    // @ts-expect-error no such key
    await client.get(airportTraffic, { origin: 'LAS' });
    // @ts-expect-error no such feature
    void read.values.nope;
    const both = await client.getService(
      delayModel,
      { origin: 'LAS', destination: 'PHL' },
      { request: { distance: 2176 } },
    );
    const { from: traffic } = both;
    expectTypeOf(traffic.values.departures).toEqualTypeOf<number | null>();
    if (traffic.errors === null) expectTypeOf(traffic.values.departures).toEqualTypeOf<number>();
    // @ts-expect-error a service takes the keys of all its views
    await client.getService(delayModel, { origin: 'LAS' }, { request: { distance: 2176 } });
    // @ts-expect-error the service asks for the distance
    await client.getService(delayModel, { origin: 'LAS', destination: 'PHL' });
  };
  expect(reads).toBeTypeOf('function');
});
