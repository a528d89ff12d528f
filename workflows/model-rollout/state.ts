import type { Judgement } from '../../engine/rollouts/judgement.ts';
import type { Failure } from '../failure.ts';
import type { Passed } from '../state-runner.ts';
import { type Waiting, type WaitingLanes, withWaiting } from '../waits.ts';
import type { RolloutBreach } from '../../engine/rollouts/rollout-breach.ts';
import type { RolloutAsked, RolloutCommand, RolloutPhase, RolloutPlan, RolloutStep } from './contract.ts';

/** So many steps a page and a history have room for; `millrace rollout report` tells all. */
const STEPS_KEPT = 30;

/** What somebody asked for that ends it. */
export interface WantedEnd {
  readonly how: 'promoted' | 'returned';
  readonly actor: string;
  readonly why: string;
}

/** Where it stands, and why. */
export interface Standing {
  readonly as: 'collecting' | 'blocked' | 'approval' | 'paused' | 'failed';
  readonly why: string;
}

/** The whole of a rollout between two instants: plain JSON, carried over continue-as-new. */
export interface RolloutState {
  readonly schema: 1;
  readonly asked: RolloutAsked;
  readonly plan: RolloutPlan | null;
  readonly stage: number;
  readonly stageSinceMs: number | null;
  /** Of the candidate, now. */
  readonly share: number;
  readonly revision: number | null;
  readonly steps: readonly RolloutStep[];
  readonly judgement: Judgement | null;
  /** When the evidence was looked at last. */
  readonly judgedAtMs: number | null;
  /** Of a bandit, when its shares were drawn up last. */
  readonly sharedAtMs: number | null;
  readonly wants: { readonly paused: boolean; readonly end: WantedEnd | null };
  /** The stage that somebody said may be followed by the next. */
  readonly approved: { readonly stage: number; readonly actor: string } | null;
  readonly breach: RolloutBreach | null;
  /** Why everyone was returned without anybody's word, by the watch itself. */
  readonly returned: string | null;
  readonly waiting: WaitingLanes;
  readonly failure: Failure | null;
  /** Null until it was decided on. */
  readonly standing: Standing | null;
  readonly ended: { readonly how: 'promoted' | 'returned'; readonly why: string } | null;
  readonly passed: Passed<RolloutPhase>;
}

export type RolloutEvent =
  | { readonly type: 'command'; readonly command: RolloutCommand; readonly actor: string }
  | { readonly type: 'opened'; readonly plan: RolloutPlan; readonly atMs: number }
  | { readonly type: 'judged'; readonly judgement: Judgement; readonly atMs: number }
  | {
      readonly type: 'moved';
      readonly revision: number;
      readonly stage: number;
      readonly share: number;
      readonly why: string;
      readonly atMs: number;
    }
  | { readonly type: 'breached'; readonly breach: RolloutBreach; readonly why: string }
  | { readonly type: 'gone'; readonly why: string }
  | { readonly type: 'waiting'; readonly lane: string; readonly waiting: Waiting | null }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'end-failed'; readonly failure: Failure }
  | { readonly type: 'stands'; readonly standing: Standing }
  | { readonly type: 'ended'; readonly how: 'promoted' | 'returned'; readonly why: string; readonly atMs: number };

export function initialRolloutState(asked: RolloutAsked): RolloutState {
  return {
    schema: 1,
    asked,
    plan: null,
    stage: 0,
    stageSinceMs: null,
    share: 0,
    revision: null,
    steps: [],
    judgement: null,
    judgedAtMs: null,
    sharedAtMs: null,
    wants: { paused: false, end: null },
    approved: null,
    breach: null,
    returned: null,
    waiting: {},
    failure: null,
    standing: null,
    ended: null,
    passed: [],
  };
}

/** The state after `event`. Pure. */
export function rolloutTransition(state: RolloutState, event: RolloutEvent): RolloutState {
  switch (event.type) {
    case 'command':
      return commanded(state, event.command, event.actor);
    case 'opened': {
      const { plan, atMs } = event;
      const share = state.asked.rule.stages[0]!.share;
      const opened = { ...state, plan, revision: plan.revision, share, stageSinceMs: atMs, sharedAtMs: atMs };
      return withStep(opened, { stage: 0, share, atMs, why: 'started' });
    }
    case 'judged':
      return { ...state, judgement: event.judgement, judgedAtMs: event.atMs };
    case 'moved': {
      const { stage, share, revision, why, atMs } = event;
      const isNext = stage !== state.stage;
      const moved = { ...state, stage, share, revision, sharedAtMs: atMs };
      // What was judged is of the stage before; the next look is at once.
      const next = isNext ? { ...moved, stageSinceMs: atMs, judgedAtMs: null, approved: null } : moved;
      return withStep(next, { stage, share, atMs, why });
    }
    case 'breached':
      return { ...state, breach: event.breach, returned: event.why };
    case 'gone':
      return { ...state, returned: event.why };
    case 'waiting':
      return { ...state, waiting: withWaiting(state.waiting, event.lane, event.waiting) };
    case 'failed':
      return { ...state, failure: event.failure };
    // Whoever asked for the end may ask again.
    case 'end-failed':
      return { ...state, failure: event.failure, wants: { ...state.wants, end: null } };
    case 'stands':
      return { ...state, standing: event.standing };
    case 'ended': {
      const { how, why, atMs } = event;
      const share = how === 'promoted' ? 1 : 0;
      return withStep({ ...state, share, ended: { how, why } }, { stage: state.stage, share, atMs, why });
    }
  }
}

function commanded(state: RolloutState, command: RolloutCommand, actor: string): RolloutState {
  const { wants, stage } = state;
  const ending = (how: WantedEnd['how'], why: string): RolloutState => ({
    ...state,
    failure: null,
    wants: { ...wants, end: wants.end ?? { how, actor, why: `${why} by ${actor}` } },
  });
  switch (command) {
    case 'approve':
      return { ...state, approved: { stage, actor } };
    case 'pause':
      return { ...state, wants: { ...wants, paused: true } };
    case 'resume':
      return { ...state, wants: { ...wants, paused: false } };
    case 'retry':
      return { ...state, failure: null };
    case 'reject':
      return ending('returned', 'rejected');
    case 'return':
      return ending('returned', 'returned');
    case 'finish':
      return ending('promoted', 'finished');
  }
}

function withStep(state: RolloutState, step: RolloutStep): RolloutState {
  return { ...state, steps: [...state.steps, step].slice(-STEPS_KEPT) };
}
