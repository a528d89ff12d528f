import { z } from '@hono/zod-openapi';

const tags = z.record(z.string(), z.record(z.string(), z.string()));

const modelSchema = z
  .object({
    model: z.string().openapi({ example: 'late_flights' }),
    version: z.number().int(),
    aliases: z.array(z.string()).openapi({ description: 'What stands for it.', example: ['champion'] }),
    state: z.enum(['published', 'rolled-back']),
    sha256: z.string().openapi({ description: 'Of the file; its ETag.' }),
    size_bytes: z.number().int(),
    service: z.string().openapi({ description: 'Whose features it takes.', example: 'delay_model' }),
    features: tags.openapi({
      description:
        'View to feature to tag: what it was trained on. As `tags` of /v1/features they hold a read to just that.',
      example: { route_delays: { flights_1d: '0d4f7a1be23c9f55' } },
    }),
    metrics: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).nullable(),
    published_at: z.string().openapi({ example: '2026-06-01T12:00:00.000000Z' }),
  })
  .openapi('Model');

/** The answer of `GET /v1/models`. */
export const modelsResponseSchema = z.object({ models: z.array(modelSchema) }).openapi('ModelsResponse');

/** The answer of `GET /v1/models/{name}`. */
export const modelResponseSchema = modelSchema
  .extend({
    signature: z.object({
      request: z.array(z.object({ name: z.string(), type: z.unknown() })).readonly(),
      features: z
        .array(z.object({ column: z.string(), block: z.string(), feature: z.string(), type: z.unknown() }))
        .readonly(),
    }),
    changes: z
      .array(z.object({ view: z.string(), feature: z.string(), trained: z.string(), served: z.string() }))
      .openapi({
        description:
          'Features that are not served as it was trained on them. Where there are any it is not to be used.',
      }),
  })
  .openapi('ModelDescription');

export const modelParamsSchema = z.object({
  name: z
    .string()
    .min(1)
    .openapi({ param: { name: 'name', in: 'path' }, example: 'late_flights' }),
});

export const modelQuerySchema = z.object({
  version: z
    .string()
    .regex(/^([1-9]\d{0,8}|champion|challenger)$/, {
      error: 'expected the number of a version, champion or challenger',
    })
    .default('champion')
    .openapi({ description: 'A version, or what stands for it.' }),
});
