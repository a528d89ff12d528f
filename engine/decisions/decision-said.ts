import type { GivenOf, GivenValue } from '../contract/json-given.ts';
import type { Shape } from '../contract/row-of.ts';
import { type Decisions, MOST_ALTERNATIVES } from '../define/decisions.ts';
import type { Outcomes } from '../define/outcomes.ts';
import type { Micros } from '../values/field-type.ts';
import type { Assignment } from './assignment-told.ts';

/** A time as a program has it: a Date or UTC epoch µs. */
export type GivenTime = Date | Micros | number;

/** What could have been done instead. */
export interface AlternativeSaid {
  readonly action: string;
  readonly score?: number | null | undefined;
  /** The chance that it would have been taken. Where one has one, all have, and the action taken; together they are 1. */
  readonly propensity?: number | null | undefined;
}

/** A decision as a program says it. */
export interface DecisionSaid<Context extends Shape = Shape> {
  /** 1 to 128 visible ASCII characters; what outcomes name it by. Default: a UUID of version 7. */
  readonly id?: string | undefined;
  /** Default: now. */
  readonly at?: GivenTime | undefined;
  /** What `get`, `getMany` and `getService` of the same client gave, as it gave it: the record carries what was served. */
  readonly reads?: readonly object[] | undefined;
  /** Requests whose reads the serving log has, of services that are logged whole. */
  readonly requestIds?: readonly string[] | undefined;
  /** Default: that of the reads. */
  readonly service?: string | undefined;
  readonly model?: { readonly name: string; readonly version: number } | undefined;
  /** What `variant` told. */
  readonly assigned?: Assignment | undefined;
  /** Default: that of `assigned`. */
  readonly unit?: string | undefined;
  /** False of a shadow. Default true. */
  readonly acted?: boolean | undefined;
  /** Of a shadow: the id of the decision that was acted on. */
  readonly shadowOf?: string | undefined;
  readonly action: string;
  /** Of the action taken, or its chance of the label. */
  readonly score?: number | null | undefined;
  /** The chance that the policy had to take the action, above 0. */
  readonly propensity?: number | null | undefined;
  /** Those beyond the first 100 are counted. */
  readonly alternatives?: readonly AlternativeSaid[] | undefined;
  /** How many more there were. Default 0. */
  readonly moreAlternatives?: number | undefined;
  readonly context: GivenOf<Context>;
  readonly latencyMs?: number | undefined;
  /** Why it could not be decided as it should have been. */
  readonly error?: string | null | undefined;
}

/** An outcome as a program says it: of a decision, or about an entity. */
export interface OutcomeSaid<Value = unknown, Entity extends Shape = Shape> {
  /** Tells a resent outcome: the same id, the same outcome. Default: a UUID of version 7. */
  readonly id?: string | undefined;
  /** The id of the decision. */
  readonly decision?: string | undefined;
  /** What it is about, where it names no decision. */
  readonly entity?: GivenOf<Entity> | undefined;
  readonly name: string;
  readonly value: GivenValue<Value>;
  /** When it happened. Default: now. */
  readonly at?: GivenTime | undefined;
  /** Since when it could be known. Default: since its record arrives. */
  readonly knownAt?: GivenTime | undefined;
}

/** What is said of a source of decisions. */
export type DecisionSaidOf<Said> = Said extends Decisions<string, infer Context> ? DecisionSaid<Context> : never;

/** What is said of a source of outcomes. */
export type OutcomeSaidOf<Said> =
  Said extends Outcomes<string, infer Value, infer Entity> ? OutcomeSaid<Value, Entity> : never;

/**
 * The fields of a decision's record, as a program has them.
 *
 * @param read what was given for `reads`, as records have it
 */
export function decisionFields(
  id: string,
  atUs: number,
  said: DecisionSaid,
  reads: readonly { readonly service: string | null; readonly json: object }[],
): Readonly<Record<string, unknown>> {
  const { assigned, alternatives = [] } = said;
  const surplus = Math.max(0, alternatives.length - MOST_ALTERNATIVES);
  return {
    decision_id: id,
    decided_at: said.at ?? atUs,
    request_ids: said.requestIds ?? [],
    reads: reads.map(({ json }) => json),
    service: said.service ?? reads.find(({ service }) => service !== null)?.service ?? null,
    model: said.model?.name ?? null,
    model_version: said.model?.version ?? null,
    rollout: assigned?.rollout ?? null,
    revision: assigned?.revision ?? null,
    stage: assigned?.stage ?? null,
    variant: assigned?.variant ?? null,
    unit: said.unit ?? assigned?.unit ?? null,
    assignment_propensity: assigned?.assignmentPropensity ?? null,
    acted: said.acted ?? true,
    shadow_of: said.shadowOf ?? null,
    action: said.action,
    score: said.score ?? null,
    propensity: said.propensity ?? null,
    alternatives: surplus === 0 ? alternatives : alternatives.slice(0, MOST_ALTERNATIVES),
    more_alternatives: surplus + (said.moreAlternatives ?? 0),
    latency_ms: said.latencyMs ?? null,
    error: said.error ?? null,
    context: said.context,
  };
}

/** The fields of an outcome's record, as a program has them. */
export function outcomeFields(id: string, atUs: number, said: OutcomeSaid): Readonly<Record<string, unknown>> {
  return {
    outcome_id: id,
    decision_id: said.decision ?? null,
    name: said.name,
    value: said.value,
    entity: said.entity ?? null,
    occurred_at: said.at ?? atUs,
    known_at: said.knownAt ?? null,
  };
}
