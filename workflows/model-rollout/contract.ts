import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Judgement } from '../../engine/rollouts/judgement.ts';
import type { RolloutBreach } from '../../engine/rollouts/rollout-breach.ts';
import type { GuardrailRule, RolloutRule, StageRule } from '../../engine/rollouts/rollout-rule.ts';
import type { Failure } from '../failure.ts';
import type { Waiting } from '../waits.ts';

/** What `modelRollout` is started with: one JSON object. */
export interface RolloutInput {
  readonly model: string;
  /** What is tried: a version, or `challenger`, which is the default. */
  readonly candidate?: number | 'challenger' | undefined;
  /** What it is tried against: a version, or `champion`, which is the default. */
  readonly against?: number | 'champion' | undefined;
  /** The source of decisions. */
  readonly decisions: string;
  /** The label set of those decisions. */
  readonly labels: string;
  /** What a unit is, for people: `customer`. */
  readonly units?: string | undefined;
  readonly metric: { readonly measure: string; readonly better?: 'higher' | 'lower' | undefined };
  readonly stages?: readonly Partial<Omit<StageRule, 'minTimeMs'> & { readonly minTime: string }>[] | undefined;
  readonly guardrails?: readonly Partial<GuardrailRule>[] | undefined;
  /** Fields of the decisions' context by whose values evidence is told. */
  readonly segments?: readonly string[] | undefined;
  /** So long after its first decision in a stage a unit is observed, as `1d`, which is the default. */
  readonly observe?: string | undefined;
  /** The chance that any interval ever misses the truth. Default 0.05. */
  readonly alpha?: number | undefined;
  readonly mode?: 'stages' | 'bandit' | undefined;
  /** Of a bandit: from one revision to the next. Default `10m`. */
  readonly every?: string | undefined;
  /** Of a bandit: what each variant keeps. Default 0.05. */
  readonly floor?: number | undefined;
  readonly options?: Partial<RolloutOptions> | undefined;
}

/** Settings of one rollout; all optional in the input. */
export interface RolloutOptions {
  /** From one look at the evidence to the next, in seconds. Default 60. */
  readonly evaluateSeconds: number;
  /** Continue as new after this many history events; null: when the server suggests it. */
  readonly maxHistoryEvents: number | null;
}

/** The input, checked, with all that was left out. */
export interface RolloutAsked {
  readonly model: string;
  readonly candidate: number | 'challenger';
  readonly against: number | 'champion';
  readonly decisions: string;
  readonly labels: string;
  readonly units: string;
  readonly rule: RolloutRule;
  readonly everyMs: number;
  readonly options: RolloutOptions;
}

export type RolloutPhase =
  | 'starting'
  | 'collecting'
  | 'waiting'
  | 'blocked'
  | 'approval'
  | 'paused'
  | 'failed'
  | 'ending'
  | 'promoted'
  | 'returned';

export const ROLLOUT_COMMANDS = ['approve', 'reject', 'pause', 'resume', 'retry', 'return', 'finish'] as const;
export type RolloutCommand = (typeof ROLLOUT_COMMANDS)[number];

/** One sentence per command, shown in the Temporal UI's list and in the CLI's help. */
export const ROLLOUT_COMMAND_DESCRIPTIONS: Readonly<Record<RolloutCommand, string>> = {
  approve: 'Go on to the next stage, or promote the candidate after the last one.',
  reject: 'Do not go on: everyone has the champion again, and the rollout ends.',
  pause: 'Stay in this stage, whatever the evidence says. Guardrails hold on.',
  resume: 'Go by the evidence again after a pause.',
  retry: 'Try again what failed.',
  return: 'Return everyone to the champion, and end.',
  finish: 'Promote the candidate now, whatever the evidence says, and end.',
};

/** What there is to roll out. */
export interface RolloutPlan {
  /** Of its row. */
  readonly rollout: string;
  readonly candidate: number;
  readonly against: number;
  readonly topic: string;
  /** Where the decisions' partitions ended when it was opened: `[partition, offset]`. */
  readonly positions: readonly (readonly [number, number])[];
  readonly matureAfterUs: number;
  readonly revision: number;
}

/** What `openModelRollout` is asked. */
export interface OpenRolloutInput {
  readonly rollout: string;
  readonly asked: RolloutAsked;
  readonly actor: string;
}

export interface WatchRolloutInput {
  readonly plan: RolloutPlan;
  readonly asked: RolloutAsked;
  readonly budgetMs: number;
}

/** How a watch ended. Of `breached` and `gone` everyone was returned already. */
export type WatchRolloutResult =
  | { readonly ended: 'budget' | 'worker-shutdown' | 'aborted' | 'over' }
  | { readonly ended: 'breached'; readonly breach: RolloutBreach; readonly why: string }
  | { readonly ended: 'gone'; readonly why: string };

export interface JudgeRolloutInput {
  readonly plan: RolloutPlan;
  readonly asked: RolloutAsked;
  readonly stage: number;
}

export interface MoveRolloutInput {
  readonly plan: RolloutPlan;
  /** The revision that the next state was decided on. */
  readonly expected: number;
  readonly stage: number;
  /** Of the candidate. */
  readonly share: number;
  readonly actor: string;
  readonly why: string;
}

export interface EndRolloutInput {
  /** Of its row; there may be none. */
  readonly rollout: string;
  readonly how: 'promoted' | 'returned';
  readonly actor: string;
  readonly why: string;
}

/** A state that a rollout had. */
export interface RolloutStep {
  readonly stage: number;
  readonly share: number;
  readonly atMs: number;
  readonly why: string;
}

/** The answer of the query `status` and of every update. */
export interface RolloutStatus {
  readonly model: string;
  readonly rollout: string | null;
  readonly candidate: number | null;
  readonly against: number | null;
  readonly phase: RolloutPhase;
  readonly stage: number;
  readonly stages: number;
  /** Of the candidate, now. */
  readonly share: number;
  readonly revision: number | null;
  /** Why it stays where it is, for people. */
  readonly because: string;
  readonly judgement: Judgement | null;
  readonly breach: RolloutBreach | null;
  readonly steps: readonly RolloutStep[];
  readonly waitingFor: Waiting | null;
  readonly error: Failure | null;
  readonly accepts: readonly RolloutCommand[];
}

export const approveRolloutUpdate = defineUpdate<RolloutStatus>('approve');
export const rejectRolloutUpdate = defineUpdate<RolloutStatus>('reject');
export const pauseRolloutUpdate = defineUpdate<RolloutStatus>('pause');
export const resumeRolloutUpdate = defineUpdate<RolloutStatus>('resume');
export const retryRolloutUpdate = defineUpdate<RolloutStatus>('retry');
export const returnRolloutUpdate = defineUpdate<RolloutStatus>('return');
export const finishRolloutUpdate = defineUpdate<RolloutStatus>('finish');
export const rolloutStatusQuery = defineQuery<RolloutStatus>('status');
