import type { GuardrailJudgement, StageJudgement, TellableInterval } from '../../engine/rollouts/judgement.ts';
import type { RolloutBreach } from '../../engine/rollouts/rollout-breach.ts';
import type { GuardrailRule } from '../../engine/rollouts/rollout-rule.ts';
import { failedText, grouped, iso, tableText, waitingText } from '../page-text.ts';
import { ROLLOUT_COMMAND_DESCRIPTIONS, type RolloutPhase } from './contract.ts';
import { round } from './decide.ts';
import type { RolloutState } from './state.ts';
import { rolloutStatusOf } from './status.ts';

const MEANING: Readonly<Record<RolloutPhase, string>> = {
  starting: 'Model, versions, decisions and label set are being looked up.',
  collecting: 'Evidence is collected. The stage ends by it.',
  waiting: 'It waits for what is named below, for as long as it takes, and goes on by itself.',
  blocked: 'The numbers of units do not go with the shares: nothing goes on until they do, or a person ends it.',
  approval: 'The stage is over by its evidence, and a person is asked: approve or reject.',
  paused: 'No stage ends by itself. Guardrails hold on.',
  failed: 'A person is needed: see the error and its remedy below. Shares stay as they are.',
  ending: 'It is ending.',
  promoted: 'The candidate is the champion: everyone has it.',
  returned: 'Everyone has the champion again.',
};

/** The page of a rollout in the Temporal UI ("current details"), in Markdown. */
export function renderRolloutPage(state: RolloutState): string {
  const status = rolloutStatusOf(state);
  const { asked, judgement } = state;
  const lines = [`### rollout of ${status.model}: ${status.phase}`, '', MEANING[status.phase], ''];
  lines.push(`- Why: **${status.because}**`);
  if (status.candidate !== null)
    lines.push(`- Candidate: **version ${status.candidate}**, against **version ${status.against}**`);
  lines.push(
    `- Stage: **${status.stage + 1} of ${status.stages}**, the candidate has **${percent(status.share)}** of the units (${asked.units})`,
  );
  const { measure, better } = asked.rule.metric;
  lines.push(`- Metric: **${measure}**, ${better} is better`);
  if (state.plan !== null) lines.push(...maturityText(state));
  if (judgement !== null) {
    lines.push('', '**Stages**:', '', ...stagesText(state, judgement.stages));
    lines.push(
      '',
      `- All stages together: **${intervalText(judgement.combined)}**, of ${grouped(Math.round(judgement.combined?.units ?? 0))} units`,
    );
    lines.push(
      `- Labels: **${grouped(judgement.labels.mature)}** of ${grouped(judgement.labels.decisions)} are mature`,
    );
    if (judgement.bestChances !== null)
      lines.push(`- The candidate is the best with a chance of **${percent(judgement.bestChances[0] ?? 0)}**`);
    if (judgement.guardrails.length > 0)
      lines.push('', '**Guardrails on the metric**:', '', ...guardrailsText(state, judgement.guardrails));
    if (judgement.segments.length > 0)
      lines.push(
        '',
        '**Segments**, those with most units; their intervals share alpha among 20, or as many as there are, and nothing is decided by them:',
        '',
        ...tableText(
          ['segment', 'candidate', 'against', 'difference'],
          judgement.segments.map((one) => [
            one.segment,
            grouped(one.candidateUnits),
            grouped(one.againstUnits),
            intervalText(one.difference),
          ]),
        ),
      );
  }
  if (state.breach !== null) lines.push('', ...breachText(state.breach));
  if (status.waitingFor !== null) lines.push('', ...waitingText(status.waitingFor));
  if (status.error !== null) lines.push('', ...failedText(status.error));
  if (status.accepts.length > 0) lines.push('', '**What can be sent now**, as an Update:', '');
  for (const command of status.accepts) lines.push(`- \`${command}\`: ${ROLLOUT_COMMAND_DESCRIPTIONS[command]}`);
  lines.push('', '**So far**, newest first:', '');
  for (const { atMs, stage, share, why } of status.steps.toReversed())
    lines.push(`- ${iso(atMs)} stage ${stage + 1}, ${percent(share)}: ${why}`);
  return lines.join('\n');
}

function maturityText({ asked, plan, judgement }: RolloutState): string[] {
  const wait = spanText(plan!.matureAfterUs);
  const seen = spanText(asked.rule.observeUs);
  const told = judgement === null ? '' : `; as of ${asOfText(judgement.asOfUs)}`;
  return [
    `- Guardrails on decisions act within seconds; those on the metric when labels are mature: a unit counts **${seen}** (observed) and **${wait}** (labels) after its first decision${told}`,
  ];
}

function asOfText(asOfUs: number | null): string {
  return asOfUs === null ? 'no time: of the outcomes nothing is archived' : iso(asOfUs / 1000);
}

function stagesText({ asked, stage }: RolloutState, stages: readonly StageJudgement[]): string[] {
  return tableText(
    [
      'stage',
      'share',
      'candidate',
      'against',
      'waiting',
      'mean',
      'mean against',
      'difference',
      'units',
      'sample ratio',
    ],
    stages.map((one) => {
      const rule = asked.rule.stages[one.stage]!;
      return [
        `${one.stage + 1}${one.stage === stage ? ' (now)' : ''}`,
        rule.share === 0 ? 'shadow' : percent(rule.share),
        grouped(one.candidate.exposed),
        grouped(one.against.exposed),
        grouped(one.candidate.waiting + one.against.waiting),
        one.candidateMean === null ? null : round(one.candidateMean),
        one.againstMean === null ? null : round(one.againstMean),
        intervalText(one.difference),
        `${grouped(Math.round(one.units))} of ${grouped(rule.minUnits)}`,
        one.isRatioMismatch ? '**mismatch**' : one.ratioP === null ? null : `p = ${round(one.ratioP)}`,
      ];
    }),
  );
}

function guardrailsText({ asked }: RolloutState, guardrails: readonly GuardrailJudgement[]): string[] {
  return tableText(
    ['guardrail', 'limit', 'worse by', 'breached'],
    guardrails.map(({ guardrail, worse, isBreached }) => {
      const rule = asked.rule.guardrails[guardrail]!;
      return [guardrailText(rule), round(rule.limit), intervalText(worse), isBreached ? '**yes**' : 'no'];
    }),
  );
}

/** `errors on origin=LAS` */
export function guardrailText({ kind, segment, action }: GuardrailRule): string {
  const what = action === null ? kind : `${kind} of "${action}"`;
  return segment === null ? what : `${what} on ${segment}`;
}

function breachText({ rule, judgement, stage, foundAtMs, firstDecidedUs, lastDecidedUs }: RolloutBreach): string[] {
  const when = (us: number | null): string => (us === null ? 'an unknown time' : iso(us / 1000));
  return [
    `**Breached**: ${guardrailText(rule)}, in stage ${stage + 1}, found ${iso(foundAtMs)}`,
    '',
    `- Worse by: **${intervalText(judgement.worse)}**, borne is ${round(rule.limit)}, of ${grouped(Math.round(judgement.worse?.units ?? 0))} units`,
    `- Decisions of the candidate: from ${when(firstDecidedUs)} to ${when(lastDecidedUs)}`,
  ];
}

/** `-0.02 (-0.03 to -0.01)` */
export function intervalText(interval: TellableInterval | null): string {
  if (interval === null) return 'nothing known';
  const bound = (at: number | null): string => (at === null ? 'open' : round(at));
  return `${round(interval.value)} (${bound(interval.low)} to ${bound(interval.high)})`;
}

function percent(share: number): string {
  return `${round(share * 100)} %`;
}

function spanText(us: number): string {
  if (us >= 172_800_000_000) return `${round(us / 86_400_000_000)} days`;
  if (us >= 7_200_000_000) return `${round(us / 3_600_000_000)} hours`;
  return us >= 120_000_000 ? `${round(us / 60_000_000)} minutes` : `${round(us / 1_000_000)} seconds`;
}
