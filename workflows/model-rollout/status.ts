import { longestWait } from '../waits.ts';
import { ROLLOUT_COMMANDS, type RolloutCommand, type RolloutPhase, type RolloutStatus } from './contract.ts';
import type { RolloutState } from './state.ts';

/** The one word for where a rollout is. */
export function rolloutPhaseOf({
  ended,
  wants,
  returned,
  plan,
  failure,
  waiting,
  standing,
}: RolloutState): RolloutPhase {
  if (ended !== null) return ended.how;
  if (wants.end !== null || returned !== null) return 'ending';
  if (failure !== null) return 'failed';
  if (longestWait(waiting) !== null) return 'waiting';
  if (plan === null) return 'starting';
  return wants.paused ? 'paused' : (standing?.as ?? 'collecting');
}

/** Why a command cannot be accepted now, or null. */
export function rolloutRefusal(state: RolloutState, command: RolloutCommand): string | null {
  const { ended, wants, plan, failure } = state;
  if (ended !== null) return `it has ended: ${ended.why}`;
  if (wants.end !== null || state.returned !== null) return `it is ending: ${wants.end?.why ?? state.returned}`;
  if (command === 'retry') return failure === null ? 'nothing has failed' : null;
  if (command === 'return' || command === 'pause' || command === 'resume') return null;
  if (plan === null) return 'it has not begun: its versions are being looked up';
  if (command === 'finish') return null;
  return rolloutPhaseOf(state) === 'approval' ? null : 'no stage waits for it';
}

/** What a person is told. */
export function rolloutStatusOf(state: RolloutState): RolloutStatus {
  const { asked, plan, failure, ended, standing } = state;
  const accepts = ROLLOUT_COMMANDS.filter(
    (command) => rolloutRefusal(state, command) === null && !isNoOp(state, command),
  );
  return {
    model: asked.model,
    rollout: plan?.rollout ?? null,
    candidate: plan?.candidate ?? null,
    against: plan?.against ?? null,
    phase: rolloutPhaseOf(state),
    stage: state.stage,
    stages: asked.rule.stages.length,
    share: state.share,
    revision: state.revision,
    because: ended?.why ?? state.wants.end?.why ?? state.returned ?? standing?.why ?? 'it begins',
    judgement: state.judgement,
    breach: state.breach,
    steps: state.steps,
    waitingFor: longestWait(state.waiting),
    error: failure,
    accepts,
  };
}

function isNoOp({ wants }: RolloutState, command: RolloutCommand): boolean {
  if (command === 'pause') return wants.paused;
  return command === 'resume' && !wants.paused;
}
