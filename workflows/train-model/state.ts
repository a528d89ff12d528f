import type { Failure } from '../failure.ts';
import type { Passed } from '../state-runner.ts';
import { longestWait, type Waiting, type WaitingLanes, withWaiting } from '../waits.ts';
import {
  type CommandSummary,
  type EvaluatedSummary,
  type PublishedSummary,
  TRAIN_COMMANDS,
  type TrainCommand,
  type TrainedSet,
  type TrainJudgement,
  type TrainOutcome,
  type TrainPhase,
  type TrainStatus,
  type TrainStep,
} from './contract.ts';
import type { CheckedTraining } from './input.ts';

/** Before which step it waits to be told to go on. */
export type TrainGate = 'publish' | 'rollout';

/** The whole of a training between two instants. */
export interface TrainState {
  readonly asked: CheckedTraining;
  readonly run: string;
  readonly step: TrainStep;
  readonly stepSinceMs: number;
  /** What waits for approval. */
  readonly gate: TrainGate | null;
  /** What was said of the gate. */
  readonly answer: TrainCommand | null;
  readonly seconds: Readonly<Partial<Record<TrainStep, number>>>;
  readonly set: TrainedSet | null;
  readonly command: CommandSummary | null;
  readonly judgement: TrainJudgement | null;
  readonly published: PublishedSummary | null;
  readonly evaluated: EvaluatedSummary | null;
  readonly rollout: string | null;
  readonly waiting: WaitingLanes;
  readonly failure: Failure | null;
  readonly outcome: TrainOutcome | null;
  readonly passed: Passed<TrainPhase>;
}

/** What a step found out. */
export type TrainFinding = Partial<
  Pick<TrainState, 'set' | 'command' | 'judgement' | 'published' | 'evaluated' | 'rollout'>
>;

export type TrainEvent =
  | { readonly type: 'step-begun'; readonly step: TrainStep; readonly atMs: number }
  | { readonly type: 'step-ended'; readonly found: TrainFinding; readonly atMs: number }
  | { readonly type: 'gate-reached'; readonly gate: TrainGate }
  | { readonly type: 'gate-passed' }
  | { readonly type: 'command'; readonly command: TrainCommand }
  | { readonly type: 'waiting'; readonly lane: string; readonly waiting: Waiting | null }
  | { readonly type: 'ended'; readonly outcome: TrainOutcome; readonly failure: Failure | null };

export function initialTrainState(asked: CheckedTraining, run: string, atMs: number): TrainState {
  return {
    asked,
    run,
    step: 'check',
    stepSinceMs: atMs,
    gate: null,
    answer: null,
    seconds: {},
    set: null,
    command: null,
    judgement: null,
    published: null,
    evaluated: null,
    rollout: null,
    waiting: {},
    failure: null,
    outcome: null,
    passed: [],
  };
}

/** The state after `event`. Pure. */
export function trainTransition(state: TrainState, event: TrainEvent): TrainState {
  switch (event.type) {
    case 'step-begun':
      return { ...state, step: event.step, stepSinceMs: event.atMs };
    case 'step-ended': {
      const seconds = Math.max(0, event.atMs - state.stepSinceMs) / 1000;
      return { ...state, ...event.found, seconds: { ...state.seconds, [state.step]: seconds } };
    }
    case 'gate-reached':
      return { ...state, gate: event.gate, answer: null };
    case 'gate-passed':
      return { ...state, gate: null };
    case 'command':
      return { ...state, answer: event.command };
    case 'waiting':
      return { ...state, waiting: withWaiting(state.waiting, event.lane, event.waiting) };
    case 'ended':
      return { ...state, gate: null, waiting: {}, outcome: event.outcome, failure: event.failure };
  }
}

/** Why a command cannot be accepted now, or null. */
export function trainRefusal({ asked, gate, answer, outcome }: TrainState, command: TrainCommand): string | null {
  if (outcome !== null) return `the training of "${asked.model}" has ended`;
  if (gate === null) return `nothing of the training of "${asked.model}" waits for approval`;
  return answer === null ? null : `it was said before: ${answer === command ? 'so' : 'otherwise'}`;
}

const PHASE_OF_STEP: Readonly<Record<TrainStep, TrainPhase>> = {
  check: 'checking',
  export: 'exporting',
  train: 'training',
  judge: 'judging',
  publish: 'publishing',
  evaluate: 'evaluating',
  rollout: 'opening-rollout',
};

/** The one word for where a training is. */
export function trainPhaseOf({ outcome, gate, step }: TrainState): TrainPhase {
  if (outcome !== null) return outcome;
  if (gate !== null) return gate === 'publish' ? 'awaiting-publish' : 'awaiting-rollout';
  return PHASE_OF_STEP[step];
}

/** What a person is told. */
export function trainStatusOf(state: TrainState): TrainStatus {
  const { asked, run } = state;
  return {
    model: asked.model,
    service: asked.service,
    phase: trainPhaseOf(state),
    from: asked.rows.from ?? null,
    to: asked.rows.to ?? null,
    set: state.set,
    command: state.command,
    judgement: state.judgement,
    published: state.published,
    evaluated: state.evaluated,
    rollout: state.rollout,
    waitingFor: longestWait(state.waiting),
    error: state.failure,
    seconds: state.seconds,
    run: `trainings/${asked.model}/${run}`,
    accepts: TRAIN_COMMANDS.filter((command) => trainRefusal(state, command) === null),
  };
}
