import {
  ARCHIVE_COMMANDS,
  type ArchiveCommand,
  type ArchivePhase,
  type ArchivePlan,
  type ArchiveSliceSummary,
  type ArchiveStatus,
  type ArchiveTended,
} from './contract.ts';
import { boundedTended } from './worst-partitions.ts';
import type { Failure } from '../failure.ts';
import { HELD_BACK, longestWait, type Waiting, type WaitingLanes, withWaiting } from '../waits.ts';
import type { Passed } from '../state-runner.ts';

/** The whole of an archive between two instants: plain JSON, carried over continue-as-new. */
export interface ArchiveState {
  readonly schema: 1;
  readonly source: string;
  readonly wants: { readonly paused: boolean; readonly stopped: boolean };
  readonly plan: ArchivePlan | null;
  /** A slice, or the housekeeping after it, is going on. */
  readonly running: boolean;
  readonly slices: number;
  readonly records: number;
  readonly lag: number | null;
  readonly generation: number;
  readonly tended: ArchiveTended | null;
  readonly mergedFiles: number;
  readonly rolledCommits: number;
  /** Why nothing is copied. */
  readonly failure: Failure | null;
  /** Why files were not merged the last time: copying goes on all the same, for the topic's retention does not wait. */
  readonly tendFailure: Failure | null;
  /** What it waits for, by lane. Missing in what a run of the release before carried on. */
  readonly waiting?: WaitingLanes | undefined;
  readonly stopped: boolean;
  readonly passed: Passed<ArchivePhase>;
}

export type ArchiveEvent =
  | { readonly type: 'command'; readonly command: ArchiveCommand }
  | { readonly type: 'round-started' }
  | { readonly type: 'resolved'; readonly plan: ArchivePlan }
  | { readonly type: 'generation-taken' }
  | { readonly type: 'slice-ended'; readonly slice: ArchiveSliceSummary }
  | { readonly type: 'waiting'; readonly lane: string; readonly waiting: Waiting | null }
  | { readonly type: 'tended'; readonly tended: ArchiveTended }
  | { readonly type: 'tend-failed'; readonly failure: Failure }
  | { readonly type: 'round-ended'; readonly failure: Failure | null }
  | { readonly type: 'stopped' };

/** The lane of copying itself. */
export const ARCHIVING = 'archiving';

export function initialArchiveState(source: string): ArchiveState {
  return {
    schema: 1,
    source,
    wants: { paused: false, stopped: false },
    plan: null,
    running: false,
    slices: 0,
    records: 0,
    lag: null,
    generation: 0,
    tended: null,
    mergedFiles: 0,
    rolledCommits: 0,
    failure: null,
    tendFailure: null,
    stopped: false,
    passed: [],
  };
}

/** The state an earlier run handed on; one of an earlier release told of every partition. */
export function carriedArchiveState(carried: ArchiveState): ArchiveState {
  return { ...carried, tended: carried.tended === null ? null : boundedTended(carried.tended) };
}

/** Why a command cannot be accepted now, or null. */
export function archiveRefusal({ source, wants, failure }: ArchiveState, command: ArchiveCommand): string | null {
  if (wants.stopped && command !== 'stop') return `the archive of "${source}" is being stopped; start it anew to go on`;
  return command === 'retry' && failure === null ? 'nothing has failed' : null;
}

/** The state after `event`. Pure. */
export function archiveTransition(state: ArchiveState, event: ArchiveEvent): ArchiveState {
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
      const { records, lag, generation, waiting } = event.slice;
      return {
        ...state,
        slices: state.slices + 1,
        records: state.records + records,
        // One that waits may never have seen the topic; one that is held back has.
        lag: waiting == null || waiting.code === HELD_BACK ? lag : state.lag,
        waiting: waiting === undefined ? state.waiting : withWaiting(state.waiting ?? {}, ARCHIVING, waiting),
        generation: Math.max(state.generation, generation ?? 0),
      };
    }
    case 'waiting':
      return { ...state, waiting: withWaiting(state.waiting ?? {}, event.lane, event.waiting) };
    case 'tended': {
      const tended = boundedTended(event.tended);
      return {
        ...state,
        tended,
        tendFailure: null,
        mergedFiles: state.mergedFiles + tended.mergedFiles,
        rolledCommits: state.rolledCommits + tended.rolledCommits,
      };
    }
    case 'tend-failed':
      return { ...state, tendFailure: event.failure };
    case 'round-ended':
      return { ...state, running: false, failure: event.failure };
    case 'stopped':
      return { ...state, stopped: true };
  }
}

function commanded(state: ArchiveState, command: ArchiveCommand): ArchiveState {
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

/** True while records should be copied. */
export function shouldArchive({ wants, failure }: ArchiveState): boolean {
  return !wants.stopped && !wants.paused && failure === null;
}

/** The one word for where an archive is. */
export function archivePhaseOf({ wants, failure, running, plan, stopped, waiting }: ArchiveState): ArchivePhase {
  if (stopped) return 'stopped';
  if (wants.stopped) return 'stopping';
  if (wants.paused) return running ? 'pausing' : 'paused';
  if (failure !== null) return 'failed';
  if (longestWait(waiting ?? {}) !== null) return 'waiting';
  return plan === null ? 'starting' : 'archiving';
}

/** What a person is told. */
export function archiveStatusOf(state: ArchiveState): ArchiveStatus {
  return {
    source: state.source,
    topic: state.plan?.topic ?? null,
    phase: archivePhaseOf(state),
    records: state.records,
    lag: state.lag,
    partitions: state.tended?.partitions ?? [],
    sums: state.tended?.sums,
    mergedFiles: state.mergedFiles,
    rolledCommits: state.rolledCommits,
    waitingFor: longestWait(state.waiting ?? {}),
    error: state.failure ?? state.tendFailure,
    accepts: ARCHIVE_COMMANDS.filter((command) => archiveRefusal(state, command) === null && !isNoOp(state, command)),
  };
}

function isNoOp({ wants }: ArchiveState, command: ArchiveCommand): boolean {
  if (command === 'pause') return wants.paused;
  if (command === 'resume') return !wants.paused;
  return command === 'stop' && wants.stopped;
}
