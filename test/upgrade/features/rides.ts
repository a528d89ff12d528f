import { decimal, entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';

export const vehicle = entity('vehicle', { vehicle: z.int() });

/** A topic alone, not archived, whose head is gone; no ids, so that ties break by partition and offset. */
export const rides = source('rides', {
  schema: z.object({
    ended_at: z.iso.datetime(),
    vehicle: z.int(),
    fare: decimal(8, 2),
    distance: z.number(),
    rating: z.int().min(1).max(5).nullable(),
    city: z.string(),
  }),
  eventTime: 'ended_at',
  topic: 'rides',
});

/** Streams, and can never be built again from its log. */
export const vehicleRides = featureView('vehicle_rides', {
  entity: vehicle,
  source: rides,
  features: (f) => ({
    rides: f.count(),
    rides_1d: f.count().over('1d'),
    rated_7d: f.count('rating').over('7d'),
    fares: f.sum('fare'),
    fare_avg_7d: f.avg('fare').over('7d'),
    fare_min_1d: f.min('fare').over('1d'),
    distance: f.sum('distance'),
    distance_max_7d: f.max('distance').over('7d'),
    rating_avg: f.avg('rating'),
    rating_min: f.min('rating'),
    first_city: f.first('city'),
    last_city: f.last('city'),
    last_city_1d: f.last('city').over('1d'),
    last_rating_7d: f.last('rating').over('7d'),
  }),
});

export const fleetModel = featureService('fleet_model', [vehicleRides]);
