import type { StageRule } from '../../engine/rollouts/rollout-rule.ts';
import { type Given, invalid, objectOf, optionalFlagOf, optionalWholeOf } from '../json-input.ts';
import { durationMs, numberOf, objectsOf } from './input-fields.ts';

const MIN_UNITS = 1_000;
const MOST_STAGES = 20;
const FIELDS = ['share', 'minUnits', 'minTime', 'smallestEffect', 'approve'];
/** Unless others are named. */
const STAGES: readonly Given[] = [{ share: 0 }, { share: 0.05 }, { share: 0.5 }];
const BANDIT: readonly Given[] = [{ share: 0.5 }];

/** The stages of a rollout. Throws `invalid-input`. */
export function stagesOf(given: Given, mode: 'stages' | 'bandit'): StageRule[] {
  const asked = objectsOf(given, 'stages', mode === 'bandit' ? BANDIT : STAGES);
  if (asked.length === 0 || asked.length > MOST_STAGES)
    throw invalid(`"stages" must have 1 to ${MOST_STAGES} of them, received ${asked.length}`);
  const stages = asked.map((stage, index): StageRule => {
    const what = `stages[${index}]`;
    objectOf(stage, FIELDS, '{"share":0.05,"minUnits":1000}');
    const smallest = stage['smallestEffect'] ?? null;
    return {
      share: numberOf(stage, 'share', { least: 0, most: 1 }, undefined, `${what}.share`),
      minUnits: optionalWholeOf(stage, 'minUnits', 2, `"${what}.minUnits"`) ?? MIN_UNITS,
      minTimeMs: durationMs(stage, 'minTime', '0s', `${what}.minTime`),
      smallestEffect:
        smallest === null ? null : numberOf(stage, 'smallestEffect', { least: 0 }, undefined, `${what}.smallestEffect`),
      approve: optionalFlagOf(stage, 'approve') ?? false,
    };
  });
  const shares = stages.map(({ share }) => share);
  if (shares.some((share, index) => index > 0 && share < shares[index - 1]!))
    throw invalid(`shares of "stages" must not shrink: units would go back; received ${shares.join(', ')}`);
  // Without anybody who has what was there, nothing would be learnt.
  if (shares.some((share) => share === 1))
    throw invalid('a share of 1 is what follows the last of "stages": expected shares below 1');
  if (mode === 'bandit' && shares.some((share) => share === 0))
    throw invalid('a bandit has no shadow: expected shares above 0 in "stages"');
  return stages;
}
