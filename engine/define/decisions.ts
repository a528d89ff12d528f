import { z } from 'zod';
import type { Shape } from '../contract/row-of.ts';
import type { FeatureService } from './feature-service.ts';
import { type Segment, type Source, type SourceOptions, source } from './source.ts';

/** Beyond so many, alternatives are a count. */
export const MOST_ALTERNATIVES = 100;

/** What names a request or a decision: as request ids are. */
const idSchema = z.string().regex(/^[\x21-\x7e]{1,128}$/);

/** A read that a decision rests on, as it was served. */
export const decisionReadSchema = z.object({
  request_id: idSchema,
  /** A view, a role of one, or the service itself: what it derived. */
  block: z.string().min(1),
  view: z.string().min(1),
  service: z.string().nullish(),
  version: z.int(),
  seq: z.int().nullish(),
  as_of: z.iso.datetime(),
  /** JSON text: feature -> tag. */
  tags: z.string(),
  /** JSON text: join key of the view -> value. */
  keys: z.string(),
  /** JSON text: feature -> value, as HTTP has it. */
  values: z.string(),
  /** JSON text: feature -> code of the error in place of its value; null where there is none. */
  errors: z.string().nullish(),
  /** JSON text: field -> value of what the service was asked with. Of the service itself alone. */
  request: z.string().nullish(),
  /** JSON text, beside `request`: `{"request": {field: type}, "derived": {feature: type}}`. */
  types: z.string().nullish(),
});

/** What could have been done instead. */
export const alternativeSchema = z.object({
  action: z.string().min(1),
  score: z.number().nullish(),
  /** The chance that it would have been taken; the one taken has its own beside it. Together they are 1. */
  propensity: z.number().nullish(),
});

/** What every decision says. The user's context is beside it. */
export const decisionShape = {
  decision_id: idSchema,
  decided_at: z.iso.datetime(),
  /** By request id alone: of services that are logged whole. */
  request_ids: z.array(idSchema),
  reads: z.array(decisionReadSchema),
  service: z.string().nullish(),
  model: z.string().nullish(),
  model_version: z.int().nullish(),
  /** The rollout's id: that of its row. */
  rollout: z.string().nullish(),
  /** Of the rollout's state. */
  revision: z.int().nullish(),
  /** From 0. */
  stage: z.int().nullish(),
  variant: z.string().nullish(),
  unit: z.string().nullish(),
  /** The chance that the unit has this variant. */
  assignment_propensity: z.number().nullish(),
  /** False of a shadow: it decided, and nothing was done. */
  acted: z.boolean(),
  /** Of a shadow, the decision that was acted on. */
  shadow_of: z.string().nullish(),
  action: z.string().min(1),
  /** Of the action taken, or its chance of the label. */
  score: z.number().nullish(),
  /** The chance that the policy had to take the action, over the actions; above 0. */
  propensity: z.number().nullish(),
  alternatives: z.array(alternativeSchema),
  /** How many more there were. */
  more_alternatives: z.int(),
  latency_ms: z.number().nullish(),
  /** Why it could not be decided as it should have been; null: it was. */
  error: z.string().nullish(),
  /** Which log of which process said it, where that has dropped any of this rollout, stage and variant. */
  log_id: z.string().nullish(),
  /** Beside it: how many of them it had dropped by then. The greatest per log, rollout, stage and variant counts. */
  dropped_before: z.int().nullish(),
} as const;

type DecisionMembers<Context extends Shape> = typeof decisionShape & { readonly context: z.ZodObject<Context> };

/** A source of decisions. */
export interface Decisions<Name extends string = string, Context extends Shape = Shape>
  extends Source<Name, DecisionMembers<Context>> {
  readonly says: 'decisions';
  readonly byRequest?: readonly FeatureService[] | undefined;
}

/** How decisions are said. */
export interface DecisionsOptions<Context extends Shape> {
  /** What else is known of a decision. Views, label sets and evaluations read it as `context`. */
  readonly context: z.ZodObject<Context>;
  /** Default: `millrace.decisions` of the installation. A topic has decisions of one source. */
  readonly topic?: string | undefined;
  /** Services whose features a decision may name by their request alone. They have to be logged whole (`servingLog: 1`). Default: none, decisions carry what they read. */
  readonly byRequest?: readonly FeatureService[] | undefined;
  /** Fields whose values are hashed where they are shown, as those of any source (docs/security.md): `context`, `reads`, `unit`, … */
  readonly sensitive?: readonly (Exclude<keyof typeof decisionShape, 'decided_at'> | 'context')[] | undefined;
  /** What its monitors tell decisions apart by, as of any source; of the context by a function: `{ name: 'origin', of: (d) => d.context.origin }`. */
  readonly segments?: readonly Segment<DecisionMembers<Context>>[] | undefined;
  readonly monitors?: SourceOptions['monitors'];
}

/**
 * Declares decisions: what applications say by `client.decide`, a source like any other.
 *
 * @example
 * export const delayDecisions = decisions('delay_decisions', { context: z.object({ origin: z.string(), flight_id: z.string() }) });
 */
export function decisions<const Name extends string, Context extends Shape>(
  name: Name,
  { context, topic, byRequest, sensitive, segments, monitors }: DecisionsOptions<Context>,
): Decisions<Name, Context> {
  const declared = source(name, {
    schema: z.object({ ...decisionShape, context }) as z.ZodObject,
    eventTime: 'decided_at' as never,
    eventId: 'decision_id' as never,
    topic,
    ...(sensitive === undefined ? {} : { sensitive }),
    ...(segments === undefined ? {} : { segments: segments as readonly Segment[] }),
    ...(monitors === undefined ? {} : { monitors }),
  });
  return Object.freeze({
    ...declared,
    says: 'decisions',
    ...(byRequest === undefined ? {} : { byRequest }),
  }) as Decisions<Name, Context>;
}
