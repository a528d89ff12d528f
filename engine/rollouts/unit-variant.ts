import { AGAINST } from '../evidence/rollout-variants.ts';
import { modelChanges } from '../models/model-fit.ts';
import { modelVersion } from '../postgres/model-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { rolloutOf } from '../postgres/rollouts.ts';
import type { Clock } from '../values/clock.ts';
import { type ChosenVariant, chooseVariant, knownRollout } from './choose-variant.ts';

/**
 * What decides for a unit, by what the rows say now: for who holds nothing. Versions count as held while what they were trained on is served; what is there
 * always does.
 *
 * @example
 * (await unitVariant(pool, systemClock, 'late_flights', 'customer-7')).held; // 8: null is the champion
 */
export async function unitVariant(
  on: Queryable,
  clock: Clock,
  model: string,
  unit: string,
): Promise<ChosenVariant<number>> {
  const heardMs = clock.monotonicMs();
  const rollout = await rolloutOf(on, model);
  const held = new Map<string, number>();
  for (const { variant, version } of rollout?.variants ?? [])
    if (variant === AGAINST || (await isServed(on, model, version))) held.set(variant, version);
  return chooseVariant(knownRollout(rollout, held, heardMs), unit, clock.monotonicMs());
}

async function isServed(on: Queryable, model: string, version: number): Promise<boolean> {
  const row = await modelVersion(on, model, version);
  return row !== null && (await modelChanges(on, row)).length === 0;
}
