import type { JsonTree } from '../engine/values/json-values.ts';
import { z } from '@hono/zod-openapi';

const MAX_ENTITIES = 1_000;
const MAX_FEATURES = 1_000;

const entitySchema = z.record(z.string(), z.unknown()).openapi('Entity', {
  description: 'Join keys by name; int64 and decimal as strings, datetimes as ISO text with offset.',
  example: { origin: 'LAS', destination: 'PHL' },
});

const entrySchema = z.union([
  z
    .looseObject({
      keys: entitySchema,
      request: z
        .record(z.string(), z.unknown())
        .optional()
        .openapi({
          description:
            'What a service asks for that only the caller knows, by field; spelt as the fields of its contract. GET /v1/services says which.',
          example: { seats: 180 },
        }),
    })
    .openapi('EntityWithRequest', { description: 'Join keys, and beside them the request of a service.' }),
  entitySchema,
]);

/** The body of `POST /v1/features`. */
export const featuresRequestSchema = z
  .strictObject({
    service: z
      .string()
      .min(1)
      .optional()
      .openapi({ description: 'A feature service; or else `features`.', example: 'delay_model' }),
    features: z
      .array(z.string().min(1))
      .min(1)
      .max(MAX_FEATURES)
      .optional()
      .openapi({
        description: '"view" for all of a view, "view.feature" for one.',
        example: ['route_delays.flights_1d'],
      }),
    entity: entrySchema.optional(),
    entities: z.array(entrySchema).min(1).max(MAX_ENTITIES).optional(),
    at: z
      .string()
      .optional()
      .openapi({ description: 'Request time, ISO with offset. Default: now.', example: '2001-06-01T12:00:00Z' }),
    tags: z
      .record(z.string(), z.record(z.string(), z.string()))
      .optional()
      .openapi({
        description:
          'View to feature to tag, as millrace.lock.json has them: of what is asked for, a feature that is gone or has another tag now is refused (409, definition-changed). ' +
          'Tags of what is not asked for are of no matter.',
        example: { route_delays: { flights_1d: '0d4f7a1be23c9f55' } },
      }),
    accept: z.literal('live').optional().openapi({
      description: 'A feature whose tag is another one now is served all the same, and named in `tags` of its view.',
    }),
  })
  .refine((body) => (body.service === undefined) !== (body.features === undefined), {
    message: 'expected either "service" or "features"',
  })
  .refine((body) => (body.entity === undefined) !== (body.entities === undefined), {
    message: 'expected either "entity" or "entities"',
  })
  .openapi('FeaturesRequest');

export type FeaturesRequest = z.infer<typeof featuresRequestSchema>;

const scalarSchema = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const listSchema = z.array(scalarSchema);
/** A map's values are scalars, lists, or, of a histogram by category, maps. */
const mapSchema = z.record(z.string(), z.union([scalarSchema, listSchema, z.record(z.string(), scalarSchema)]));
const valueSchema: z.ZodType<JsonTree> = z.union([scalarSchema, listSchema, mapSchema]);

const derivedReadSchema = z
  .object({
    values: z.record(z.string(), valueSchema).openapi({ example: { load: 1.5 } }),
    errors: z.record(z.string(), z.string()).nullable().openapi({
      description:
        'Derived feature to the code of the error that stands in place of its value: derived-failed, its function threw or gave no value of its kind; input-error, it read a value in error. Null where nothing is wrong.',
      example: null,
    }),
  })
  .openapi('DerivedRead', {
    description:
      'What the service derives of its views, of the request and of the time; left out where it derives nothing.',
  });

const viewReadSchema = z
  .object({
    values: z.record(z.string(), valueSchema).openapi({
      description:
        'int64 and decimal are strings, times ISO with six decimals; lists are arrays, maps objects whose order means nothing. Null also where `errors` says why.',
      example: { flights_1d: 12, miles_30d: null },
    }),
    errors: z
      .record(z.string(), z.string())
      .nullable()
      .openapi({
        description:
          'Feature to the code of the error that stands in place of its value: value-out-of-range, its result does not fit its type; too-many-distinct, it has more distinct values, categories or buckets than its limit. ' +
          '"*", state-corrupt: all of them, the stored state is damaged. Null where nothing is wrong.',
        example: { miles_30d: 'value-out-of-range' },
      }),
    found: z.boolean().openapi({
      description:
        'Whether the entity is known, and has not expired; if not, counts are 0, and all else is null or its default.',
    }),
    as_of: z.string().openapi({ example: '2001-06-01T12:00:00.000000Z' }),
    ahead: z.boolean().openapi({ description: 'The state holds events at or after as_of.' }),
    seq: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'The commit that wrote the state last; 0 is the backfill.' }),
    version: z.number().int(),
    freshness_ms: z.number().nullable().openapi({ description: "Age of the view's watermark." }),
    tags: z.record(z.string(), z.string()).nullable().openapi({
      description:
        'The features that have another tag than the request says, with their present ones. Null where none has; never set unless `accept` is "live".',
      example: null,
    }),
  })
  .openapi('ViewRead');

/** The headers of `POST /v1/features`. The id itself is checked where it is taken: `invalid-request-id`. */
export const featuresHeadersSchema = z.object({
  'x-request-id': z
    .string()
    .optional()
    .openapi({
      param: { name: 'x-request-id', in: 'header' },
      description:
        'Names this request in the serving log, so that decisions and outcomes can name it: 1 to 128 visible ASCII characters without spaces, ' +
        'anything else is refused (400, invalid-request-id). Default: a new one.',
      example: '5f0c7a52-3f0e-4f7e-9c43-0a8f3f6c1f11',
    }),
});

/** The answer of `POST /v1/features`: `results` in the order of the entities. */
export const featuresResponseSchema = z
  .object({
    request_id: z.string().openapi({
      description:
        'The x-request-id given, else a new one; the serving log and the x-request-id header of the answer have the same.',
      example: '5f0c7a52-3f0e-4f7e-9c43-0a8f3f6c1f11',
    }),
    results: z.array(
      z.object({
        entity: entitySchema,
        views: z.record(z.string(), viewReadSchema).openapi({ description: 'By view; of a service, by view or role.' }),
        derived: derivedReadSchema.optional(),
      }),
    ),
  })
  .openapi('FeaturesResponse');

export type FeaturesResponse = z.infer<typeof featuresResponseSchema>;

const typeSchema = z.string().openapi({ example: 'decimal(10,2)' });

const MAX_EVENTS = 1_000;

/** What `GET /v1/events` is asked. */
export const eventsQuerySchema = z.object({
  view: z.string().min(1).optional().openapi({ description: 'Of this view alone; or source, or token.' }),
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .openapi({ description: 'From then on, ISO with offset.', example: '2026-01-01T00:00:00Z' }),
  limit: z.coerce.number().int().min(1).max(MAX_EVENTS).default(100),
});

const eventDetailsSchema = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string()).readonly()]),
);

/** The answer of `GET /v1/events`. */
export const eventsResponseSchema = z
  .object({
    events: z.array(
      z.object({
        id: z.number().int(),
        at: z.string().openapi({ example: '2026-06-01T12:00:00.000000Z' }),
        actor: z.string().openapi({ description: 'Who asked for it, as their command said.', example: 'ana@laptop' }),
        action: z.string().openapi({ example: 'promote' }),
        subject: z.string().nullable().openapi({ example: 'route_delays' }),
        input: eventDetailsSchema,
        result: eventDetailsSchema,
      }),
    ),
  })
  .openapi('EventsResponse');

/** The answer of `GET /v1/views`. */
export const viewsResponseSchema = z
  .object({
    views: z.array(
      z.object({
        view: z.string(),
        version: z.number().int(),
        fingerprint: z.string(),
        entity: z.string(),
        keys: z.array(z.object({ name: z.string(), type: typeSchema })),
        features: z.array(
          z.object({
            name: z.string(),
            aggregate: z.string(),
            type: typeSchema,
            nullable: z.boolean(),
            window_us: z.number().nullable(),
            ago_us: z.number().openapi({ description: 'How long before the read the window ends.', example: 0 }),
            default: z.unknown().openapi({
              description: 'What a read gives where there is nothing, as it would stand among values; null: null.',
              example: 0,
            }),
            tag: z.string().nullable().openapi({
              description:
                'What the feature means: the same in every version for as long as that stays the same. Null of a version from before there were tags.',
              example: '0d4f7a1be23c9f55',
            }),
          }),
        ),
        published_at: z.string().nullable(),
        entities: z
          .number()
          .int()
          .nullable()
          .openapi({ description: 'That are stored now; null where the view was flipped or retired just now.' }),
        entities_estimated: z
          .boolean()
          .openapi({ description: "True of many: the database's own count, some per cent off at the worst." }),
        lag: z
          .number()
          .nullable()
          .openapi({ description: 'Records behind the end of the topic, as last seen; null without one.' }),
        freshness_ms: z.number().nullable(),
      }),
    ),
  })
  .openapi('ViewsResponse');

export type ViewsResponse = z.infer<typeof viewsResponseSchema>;

const viewNames = z.array(z.string()).readonly().openapi({ description: 'Of those that the token covers.' });

/** The answer of `GET /v1/entities`. */
export const entitiesResponseSchema = z
  .object({
    entities: z.array(
      z.object({
        entity: z.string(),
        keys: z.array(z.object({ name: z.string(), type: typeSchema })).readonly(),
        views: viewNames,
      }),
    ),
  })
  .openapi('EntitiesResponse');

/** The answer of `GET /v1/sources`. */
export const sourcesResponseSchema = z
  .object({
    sources: z.array(z.object({ source: z.string(), topic: z.string().nullable(), views: viewNames })),
  })
  .openapi('SourcesResponse');

/** The answer of `GET /v1/services`. */
export const servicesResponseSchema = z
  .object({
    services: z.array(
      z.object({
        service: z.string(),
        views: z.array(z.string()).readonly(),
        blocks: z
          .array(
            z.object({
              name: z.string().openapi({
                description: 'A view, or a role of one: what `views` of an answer has it by.',
                example: 'from',
              }),
              view: z.string().openapi({ example: 'airport_traffic' }),
              keys: z.record(z.string(), z.string()).openapi({
                description: 'Join key of the view to the name it goes by in a request.',
                example: { airport: 'origin' },
              }),
            }),
          )
          .readonly(),
        request: z
          .array(z.object({ name: z.string(), type: typeSchema, nullable: z.boolean(), optional: z.boolean() }))
          .readonly()
          .openapi({ description: 'What it asks of its callers beside the keys: fields of `request`.' }),
        derived: z
          .array(z.object({ name: z.string(), type: typeSchema }))
          .readonly()
          .openapi({ description: 'What it derives: `derived` of an answer.' }),
      }),
    ),
  })
  .openapi('ServicesResponse');

export const errorSchema = z
  .object({
    code: z.string().openapi({ example: 'unknown-feature' }),
    message: z.string(),
    remedy: z.string(),
  })
  .openapi('Error');

export const healthSchema = z.object({ status: z.literal('ok') }).openapi('Health');
