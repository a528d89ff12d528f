import { z } from '@hono/zod-openapi';

const assignmentSchema = z
  .object({
    rollout: z.string(),
    revision: z.number().int(),
    stage: z.number().int(),
    variant: z.string().openapi({ example: 'candidate' }),
    assignment_propensity: z.number().openapi({ description: 'The chance that the unit has this variant.' }),
    unit: z.string(),
  })
  .openapi('Assignment', { description: 'What a decision says of the rollout.' });

const rolloutSchema = z
  .object({
    id: z.string(),
    revision: z.number().int().openapi({ description: 'Each change of the state is another one.' }),
    salt: z.string(),
    mode: z.enum(['stages', 'bandit']).openapi({
      description: 'What a unit is placed by: `stages` by salt and unit, `bandit` by salt, revision and unit.',
    }),
    stage: z.number().int(),
    shadow: z.boolean().openapi({ description: 'The candidate decides beside what is there, and is not acted on.' }),
    variants: z
      .array(z.object({ variant: z.string(), version: z.number().int(), share: z.number() }))
      .openapi({ description: 'In the order of their intervals, from 0 up.' }),
    lease_until: z.string(),
    lease_left_ms: z.number().openapi({
      description: 'What of the lease was left when this was read; not above 0: everybody has `against`.',
    }),
    started_at: z.string(),
    moved_at: z.string(),
  })
  .openapi('Rollout');

/** The answer of `GET /v1/rollouts/{model}`. */
export const rolloutResponseSchema = z
  .object({
    model: z.string().openapi({ example: 'late_flights' }),
    champion: z.number().int().openapi({ description: 'The version that everybody has where no rollout is open.' }),
    rollout: rolloutSchema.nullable().openapi({ description: 'The open one; null: there is none.' }),
  })
  .openapi('RolloutResponse');

/** The answer of `GET /v1/variants/{model}`. */
export const variantResponseSchema = z
  .object({
    model: z.string(),
    variant: z.string().openapi({ description: '`champion` where no rollout is open.' }),
    version: z.number().int(),
    assigned: assignmentSchema.nullable().openapi({ description: 'Null: the decision says nothing of a rollout.' }),
    shadow: z
      .object({ version: z.number().int(), assigned: assignmentSchema })
      .nullable()
      .openapi({ description: 'The version that decides too, and is not acted on.' }),
    fell_back: z
      .enum(['silent', 'lease-lapsed', 'not-held', 'no-unit'])
      .nullable()
      .openapi({ description: 'Why `against` decides although the variant of the unit may be another.' }),
  })
  .openapi('VariantResponse');

export const rolloutParamsSchema = z.object({
  model: z
    .string()
    .min(1)
    .openapi({ param: { name: 'model', in: 'path' }, example: 'late_flights' }),
});

export const variantQuerySchema = z.object({
  unit: z
    .string({ error: 'expected the key of a unit' })
    .min(1, { error: 'expected the key of a unit, which is not empty' })
    .openapi({ description: 'Who is to have one variant throughout.', example: 'customer-7' }),
});
