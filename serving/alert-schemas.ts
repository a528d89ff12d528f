import { z } from '@hono/zod-openapi';

const segmentSchema = z.object({ name: z.string(), value: z.string() }).nullable();

const memberSchema = z
  .object({
    place: z.enum(['source', 'view', 'store', 'served']),
    object: z.string(),
    field: z.string().nullable(),
    segment: segmentSchema,
    statistic: z.string(),
    since: z.string(),
    value: z.number(),
    usual: z.number(),
    score: z.number().openapi({ description: 'Spreads from the usual.' }),
    records: z.number(),
    weeks: z.number().int().openapi({ description: 'That told what is usual; 0: a monitor in code does.' }),
  })
  .openapi('AlertMember');

const silenceSchema = z
  .object({
    id: z.string(),
    object: z.string().nullable(),
    field: z.string().nullable(),
    segment: segmentSchema,
    kind: z.string().nullable(),
    until: z.string(),
    who: z.string(),
    reason: z.string(),
  })
  .openapi('AlertSilence');

export const alertSchema = z
  .object({
    id: z.string(),
    state: z.enum(['open', 'closed']),
    kind: z.string().openapi({ example: 'coverage' }),
    place: z.enum(['producer', 'source', 'transformation', 'store', 'serving']).openapi({
      description: 'The first stage on the path that deviates while its input does not.',
    }),
    object: z.string().openapi({ example: 'flights' }),
    field: z.string().nullable(),
    segment: segmentSchema,
    since: z.string().openapi({ description: 'Begin of the first bucket of event time.' }),
    last: z.string(),
    grain: z.enum(['hour', 'day']),
    value: z.number(),
    usual: z.number(),
    score: z.number(),
    records: z.number(),
    weeks: z.number().int(),
    text: z.string(),
    rule: z.string().nullable(),
    opened_at: z.string().openapi({ description: 'Monitor time.' }),
    closed_at: z.string().nullable(),
    closed_by: z.enum(['clean', 'gone', 'amended']).nullable(),
    reopened: z.number().int(),
    members: z.array(memberSchema),
    more_members: z.number().int(),
    evidence: z.string(),
    acknowledged: z.object({ who: z.string(), reason: z.string(), at: z.string() }).nullable(),
    silenced: silenceSchema.nullable(),
  })
  .openapi('Alert');

/** The answer of `GET /v1/alerts`. */
export const alertsResponseSchema = z
  .object({
    evaluated_until: z.string().nullable().openapi({ description: 'Hours that begin before it are evaluated.' }),
    alerts: z.array(alertSchema),
    silences: z.array(silenceSchema),
  })
  .openapi('Alerts');

export const alertsQuerySchema = z.object({
  state: z.enum(['open', 'closed']).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
});

export const alertParamsSchema = z.object({
  id: z
    .string()
    .max(64)
    .openapi({ param: { name: 'id', in: 'path' }, example: 'al_3f0c' }),
});

export const acknowledgeRequestSchema = z
  .object({ reason: z.string().openapi({ example: 'asked the airport' }) })
  .strict()
  .openapi('AcknowledgeAlert');

export const silenceRequestSchema = z
  .object({ reason: z.string(), until: z.iso.datetime({ offset: true }).openapi({ example: '2026-06-03T12:00:00Z' }) })
  .strict()
  .openapi('SilenceAlert');
