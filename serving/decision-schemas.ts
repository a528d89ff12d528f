import { z } from '@hono/zod-openapi';

/** Records of one request at most. */
export const MOST_RECORDS = 1_000;

export const saidParamsSchema = z.object({
  name: z
    .string()
    .min(1)
    .openapi({ param: { name: 'name', in: 'path' }, example: 'delay_decisions' }),
});

export const saidQuerySchema = z.object({
  wait: z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .default('false')
    .openapi({ description: 'Whether to answer when the topic has acknowledged each record, or it is lost.' }),
});

export const saidBodySchema = z
  .array(z.record(z.string(), z.unknown()))
  .min(1)
  .max(MOST_RECORDS)
  .openapi({
    description:
      'Records as `GET /v1/schemas/NAME` has them. One without an id (`decision_id`, `outcome_id`) gets one, and without a time (`decided_at`, `occurred_at`) that of its arrival.',
    example: [
      {
        decision_id: 'd-1',
        request_ids: [],
        reads: [],
        acted: true,
        action: 'none',
        alternatives: [],
        more_alternatives: 0,
        context: {},
      },
    ],
  });

const saidResultSchema = z
  .object({
    id: z.string().optional().openapi({ description: 'Of a record that was taken, or could not be sent.' }),
    dropped: z
      .enum(['buffer-full', 'too-large', 'send-failed', 'closed'])
      .optional()
      .openapi({ description: 'Why it is not on the topic, as far as that is known.' }),
    reasons: z.array(z.string()).optional().openapi({ description: 'What of its contract it breaks.' }),
  })
  .openapi('SaidResult');

/** The answer of `POST /v1/decisions/{name}` and `POST /v1/outcomes/{name}`: per record, in their order. */
export const saidResponseSchema = z.object({ results: z.array(saidResultSchema) }).openapi('SaidResponse');

export type SaidResult = z.infer<typeof saidResultSchema>;

export const recordSchemaSchema = z
  .record(z.string(), z.unknown())
  .openapi('RecordSchema', { description: 'A JSON Schema, draft 2020-12.' });
