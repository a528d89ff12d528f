import type { Assignment } from '../decisions/assignment-told.ts';
import { drawOfUnit, placeOfUnit, variantAt } from '../evidence/assignment.ts';
import { AGAINST } from '../evidence/rollout-variants.ts';
import type { Rollout } from '../postgres/rollouts.ts';

/** What of a unit is decided by who knows no better: everybody's champion. */
export const CHAMPION = 'champion';

/** How old what is known of a rollout may be before everybody is decided for by `against`, in ms. */
export const HEARD_WITHIN_MS = 30_000;

/**
 * Why a unit is decided for by `against` although its variant may be another: nothing was heard of the rollout for 30 s; nobody watches it; its version is not
 * held; it is no text, or an empty one.
 */
export type FallbackReason = 'silent' | 'lease-lapsed' | 'not-held' | 'no-unit';

/** What is known of a model's rollout, as one object that is never changed. */
export interface KnownRollout<Held> {
  /** Null: none is open. */
  readonly rollout: Rollout | null;
  /** What is held of its versions, by variant. */
  readonly held: ReadonlyMap<string, Held>;
  /** When the row was asked for, and when its lease ends, on the monotonic clock of whoever asked. */
  readonly heardMs: number;
  readonly leaseEndMs: number;
}

/** What is decided by for a unit. */
export interface ChosenVariant<Held> {
  /** `champion` where no rollout is open, `against` where it fell back. */
  readonly variant: string;
  /** Null: the champion is what there is. */
  readonly held: Held | null;
  /** Null: this decision says nothing of the rollout. */
  readonly assigned: Assignment | null;
  /** What decides beside it, and is not acted on. */
  readonly shadow: { readonly held: Held; readonly assigned: Assignment } | null;
  /** Counted where it is not null. */
  readonly fellBack: FallbackReason | null;
}

/** What is known of a rollout, as of its row. */
export function knownRollout<Held>(
  rollout: Rollout | null,
  held: ReadonlyMap<string, Held>,
  heardMs: number,
): KnownRollout<Held> {
  return Object.freeze({ rollout, held, heardMs, leaseEndMs: heardMs + (rollout?.leaseLeftMs ?? 0) });
}

/**
 * What decides for a unit: a function of what is known and the time. The same everywhere for what is known alike.
 *
 * @param known null: nothing was ever heard
 * @param nowMs on the clock of `known`
 * @example
 * chooseVariant(known, 'customer-7', clock.monotonicMs()).variant; // 'candidate'
 */
export function chooseVariant<Held>(
  known: KnownRollout<Held> | null,
  unit: string,
  nowMs: number,
): ChosenVariant<Held> {
  if (known === null) return fallen<Held>(null, 'silent');
  const { rollout, held, heardMs, leaseEndMs } = known;
  if (rollout === null) return { variant: CHAMPION, held: null, assigned: null, shadow: null, fellBack: null };
  const against = held.get(AGAINST) ?? null;
  if (nowMs - heardMs > HEARD_WITHIN_MS) return fallen(against, 'silent');
  if (nowMs >= leaseEndMs) return fallen(against, 'lease-lapsed');
  if (typeof unit !== 'string' || unit === '') return fallen(against, 'no-unit');
  const { id, revision, stage, salt, mode, variants } = rollout;
  const place = mode === 'bandit' ? drawOfUnit(salt, revision, unit) : placeOfUnit(salt, unit);
  const variant = variantAt(place, variants);
  const mine = held.get(variant);
  if (mine === undefined) return fallen(against, 'not-held');
  const assigned = (of: string, assignmentPropensity: number): Assignment => ({
    rollout: id,
    revision,
    stage,
    variant: of,
    assignmentPropensity,
    unit,
  });
  const chosen = {
    variant,
    held: mine,
    assigned: assigned(variant, variants.find((one) => one.variant === variant)!.share),
    fellBack: null,
  };
  if (!rollout.shadow) return { ...chosen, shadow: null };
  // In shadow there are two: what everybody has, and what decides beside it, of every unit.
  const other = variants.find((one) => one.variant !== AGAINST)!;
  const beside = held.get(other.variant);
  return {
    ...chosen,
    shadow: beside === undefined ? null : { held: beside, assigned: assigned(other.variant, 1) },
  };
}

function fallen<Held>(against: Held | null, fellBack: FallbackReason): ChosenVariant<Held> {
  return { variant: AGAINST, held: against, assigned: null, shadow: null, fellBack };
}
