import type { PairsFigures } from '../../engine/pairs/pairs-status.ts';
import type { Failure } from '../failure.ts';
import type { Passed } from '../state-runner.ts';
import { longestWait, type Waiting, type WaitingLanes, withWaiting } from '../waits.ts';
import {
  PAIRS_COMMANDS,
  type PairsCommand,
  type PairsPhase,
  type PairsPlan,
  type PairsSliceSummary,
  type PairsStatus,
} from './contract.ts';

/** The whole of a joiner between two instants: plain JSON, carried over continue-as-new. */
export interface PairsState {
  readonly schema: 1;
  readonly labelSet: string;
  readonly wants: { readonly paused: boolean; readonly stopped: boolean };
  readonly plan: PairsPlan | null;
  /** A slice is going on. */
  readonly running: boolean;
  readonly slices: number;
  readonly records: number;
  readonly pairs: number;
  readonly generation: number;
  readonly figures: PairsFigures | null;
  /** Why nothing is joined. */
  readonly failure: Failure | null;
  /** What it waits for, by lane. */
  readonly waiting: WaitingLanes;
  readonly stopped: boolean;
  readonly passed: Passed<PairsPhase>;
}

export type PairsEvent =
  | { readonly type: 'command'; readonly command: PairsCommand }
  | { readonly type: 'round-started' }
  | { readonly type: 'resolved'; readonly plan: PairsPlan }
  | { readonly type: 'generation-taken' }
  | { readonly type: 'slice-ended'; readonly slice: PairsSliceSummary }
  | { readonly type: 'waiting'; readonly lane: string; readonly waiting: Waiting | null }
  | { readonly type: 'round-ended'; readonly failure: Failure | null }
  | { readonly type: 'stopped' };

/** The lane of joining itself. */
export const JOINING = 'joining';

export function initialPairsState(labelSet: string): PairsState {
  return {
    schema: 1,
    labelSet,
    wants: { paused: false, stopped: false },
    plan: null,
    running: false,
    slices: 0,
    records: 0,
    pairs: 0,
    generation: 0,
    figures: null,
    failure: null,
    waiting: {},
    stopped: false,
    passed: [],
  };
}

/** Why a command cannot be accepted now, or null. */
export function pairsRefusal({ labelSet, wants, failure }: PairsState, command: PairsCommand): string | null {
  if (wants.stopped && command !== 'stop')
    return `the joining of "${labelSet}" is being stopped; start it anew to go on`;
  return command === 'retry' && failure === null ? 'nothing has failed' : null;
}

/** The state after `event`. Pure. */
export function pairsTransition(state: PairsState, event: PairsEvent): PairsState {
  switch (event.type) {
    case 'command':
      return commanded(state, event.command);
    case 'round-started':
      return { ...state, running: true };
    case 'resolved':
      return { ...state, plan: event.plan, generation: Math.max(state.generation, event.plan.generation) };
    case 'generation-taken':
      return { ...state, generation: state.generation + 1 };
    case 'slice-ended': {
      const { records, pairs, figures, generation, waiting } = event.slice;
      return {
        ...state,
        slices: state.slices + 1,
        records: state.records + records,
        pairs: state.pairs + pairs,
        figures,
        waiting: withWaiting(state.waiting, JOINING, waiting),
        generation: Math.max(state.generation, generation ?? 0),
      };
    }
    case 'waiting':
      return { ...state, waiting: withWaiting(state.waiting, event.lane, event.waiting) };
    case 'round-ended':
      return { ...state, running: false, failure: event.failure };
    case 'stopped':
      return { ...state, stopped: true };
  }
}

function commanded(state: PairsState, command: PairsCommand): PairsState {
  const { wants } = state;
  switch (command) {
    case 'pause':
      return { ...state, wants: { ...wants, paused: true } };
    case 'resume':
      return { ...state, wants: { ...wants, paused: false } };
    case 'retry':
      return { ...state, failure: null };
    case 'stop':
      return { ...state, wants: { ...wants, stopped: true } };
  }
}

/** True while records should be joined. */
export function shouldJoin({ wants, failure }: PairsState): boolean {
  return !wants.stopped && !wants.paused && failure === null;
}

/** The one word for where a joiner is. */
export function pairsPhaseOf({ wants, failure, running, plan, stopped, waiting }: PairsState): PairsPhase {
  if (stopped) return 'stopped';
  if (wants.stopped) return 'stopping';
  if (wants.paused) return running ? 'pausing' : 'paused';
  if (failure !== null) return 'failed';
  if (longestWait(waiting) !== null) return 'waiting';
  return plan === null ? 'starting' : 'joining';
}

/** What a person is told. */
export function pairsStatusOf(state: PairsState): PairsStatus {
  return {
    labelSet: state.labelSet,
    topic: state.plan?.topic ?? null,
    phase: pairsPhaseOf(state),
    records: state.records,
    pairs: state.pairs,
    figures: state.figures,
    waitingFor: longestWait(state.waiting),
    error: state.failure,
    accepts: PAIRS_COMMANDS.filter((command) => pairsRefusal(state, command) === null && !isNoOp(state, command)),
  };
}

function isNoOp({ wants }: PairsState, command: PairsCommand): boolean {
  if (command === 'pause') return wants.paused;
  if (command === 'resume') return !wants.paused;
  return command === 'stop' && wants.stopped;
}
