import type { JudgeInput } from './judge.ts';
import { isMeasured } from './rollout-rule.ts';

/** Why the present stage tells nothing yet, for people; null: it does. */
export function whatLacks({ rule, stage, evidence, labels, matureAfterUs }: JudgeInput): string | null {
  const counts = evidence.stages.find((one) => one.stage === stage);
  const own = rule.stages[stage];
  if (own === undefined) return null;
  const exposed = (counts?.candidate.exposed ?? 0) + (counts?.against.exposed ?? 0);
  if (exposed === 0) {
    if ((counts?.withoutUnit ?? 0) > 0)
      return `${counts!.withoutUnit} decisions of this stage were logged, and none names its unit: assignments are by unit ("client.model(…).variant(unit)")`;
    return 'no decision of this stage is in the archive yet: is the service running, does it say its rollout ("assigned"), is the source archived?';
  }
  if (own.share === 0 && counts!.paired === 0)
    return `${counts!.against.exposed} units were decided on, and no request by both variants: does the service run the shadow?`;
  if (counts!.candidate.exposed === 0)
    return 'no unit has met the candidate yet: do the services hold it ("client.model(…, { rollout: true })")?';
  if (!isMeasured(rule, own) || counts!.candidate.observed + counts!.against.observed > 0) return null;
  const waits = `labels take ${spanText(matureAfterUs)}, and a unit is observed for ${spanText(rule.observeUs)} before`;
  if (counts!.candidate.waiting + counts!.against.waiting > 0)
    return `${labels.mature} of ${labels.decisions} labels are mature, and no unit's are all: ${waits}`;
  return `all units that could be observed told nothing of "${rule.metric.measure}": their decisions have no score, or no label that is a number`;
}

/** `3 days`, `1 hour` */
export function spanText(us: number): string {
  const minutes = us / 60_000_000;
  if (minutes >= 48 * 60) return counted(minutes / 60 / 24, 'day');
  return minutes >= 60 ? counted(minutes / 60, 'hour') : counted(minutes, 'minute');
}

function counted(value: number, unit: string): string {
  const rounded = Math.round(value * 10) / 10;
  return `${rounded} ${unit}${rounded === 1 ? '' : 's'}`;
}
