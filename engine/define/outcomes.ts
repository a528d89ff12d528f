import { z } from 'zod';
import type { Shape } from '../contract/row-of.ts';
import type { NoFields } from './feature-service.ts';
import { type Segment, type Source, type SourceOptions, source } from './source.ts';

/** What every outcome says. Its value, and what it is about where no decision is named, are the user's. */
export const outcomeShape = {
  outcome_id: z.string().min(1).max(256),
  /** What it came of; null: of whatever was decided about `entity`. */
  decision_id: z.string().nullish(),
  /** What came: `click`, `chargeback`. */
  name: z.string().min(1),
  occurred_at: z.iso.datetime(),
  /** Since when it could be known; null: since its record arrived. */
  known_at: z.iso.datetime().nullish(),
} as const;

type OutcomeMembers<Value extends z.core.$ZodType, Entity extends Shape> = typeof outcomeShape & {
  readonly value: Value;
  readonly entity: z.ZodOptional<z.ZodNullable<z.ZodObject<Entity>>>;
};

/** A source of outcomes. */
export interface Outcomes<
  Name extends string = string,
  Value extends z.core.$ZodType = z.core.$ZodType,
  Entity extends Shape = Shape,
> extends Source<Name, OutcomeMembers<Value, Entity>> {
  readonly says: 'outcomes';
}

/** How outcomes are said. */
export interface OutcomesOptions<Value extends z.core.$ZodType, Entity extends Shape> {
  /** `z.number()`, `z.int()`, `z.boolean()`, `z.string()`, an enum; nullable or not. */
  readonly value: Value;
  /** What an outcome is about where it names no decision. Default: each names one. */
  readonly entity?: z.ZodObject<Entity> | undefined;
  /** Default: `millrace.outcomes` of the installation. A topic has outcomes of one source. */
  readonly topic?: string | undefined;
  /** Fields whose values are hashed where they are shown, as those of any source (docs/security.md): `value`, `entity`, … */
  readonly sensitive?: readonly (Exclude<keyof typeof outcomeShape, 'occurred_at'> | 'value' | 'entity')[] | undefined;
  /** What its monitors tell outcomes apart by, as of any source. */
  readonly segments?: readonly Segment<OutcomeMembers<Value, Entity>>[] | undefined;
  readonly monitors?: SourceOptions['monitors'];
}

/**
 * Declares outcomes: what applications say by `client.outcome`, a source like any other. Any source there is may stand for outcomes in a `labelSet` as well.
 *
 * @example
 * export const clicks = outcomes('clicks', { value: z.boolean() });
 */
export function outcomes<const Name extends string, Value extends z.core.$ZodType, Entity extends Shape = NoFields>(
  name: Name,
  { value, entity, topic, sensitive, segments, monitors }: OutcomesOptions<Value, Entity>,
): Outcomes<Name, Value, Entity> {
  const about = entity === undefined ? {} : { entity: entity.nullish() };
  const declared = source(name, {
    schema: z.object({ ...outcomeShape, value: value as unknown as z.ZodType, ...about }) as z.ZodObject,
    eventTime: 'occurred_at' as never,
    eventId: 'outcome_id' as never,
    topic,
    ...(sensitive === undefined ? {} : { sensitive }),
    ...(segments === undefined ? {} : { segments: segments as readonly Segment[] }),
    ...(monitors === undefined ? {} : { monitors }),
  });
  return Object.freeze({ ...declared, says: 'outcomes' }) as unknown as Outcomes<Name, Value, Entity>;
}
