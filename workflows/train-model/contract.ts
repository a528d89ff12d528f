import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { ExportMode } from '../export-training-set/contract.ts';
import type { Failure } from '../failure.ts';
import type { Waiting } from '../waits.ts';

export const TRAIN_ALIASES = ['challenger', 'champion', 'none'] as const;
export type TrainAlias = (typeof TRAIN_ALIASES)[number];

/** Before which step a person is asked. */
export const TRAIN_APPROVALS = ['before-publish', 'before-rollout', 'never'] as const;
export type TrainApproval = (typeof TRAIN_APPROVALS)[number];

/** What a model has to be, to go on. */
export interface TrainMinimum {
  /** One of the numbers that the command wrote as metrics, or of those of the evaluation. */
  readonly measure: string;
  /** Default `metrics`, before it is published; `evaluation`, once it is: before its rollout. */
  readonly of?: 'metrics' | 'evaluation' | undefined;
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  /** `base-rate`: the metric of that name with "Base" behind it · `champion`: what the present champion has of it; where there is none, or it has none, that is met. */
  readonly betterThan?: 'champion' | 'base-rate' | undefined;
  /** Which is better. Known of log loss, errors, AUC, accuracy and the like by their names. */
  readonly better?: 'lower' | 'higher' | undefined;
}

/** What of an evaluation may be asked for. */
export interface TrainEvaluation {
  /** Fields of the decisions' context, or `unit`, `action`, `variant`, `day`. */
  readonly segments?: readonly string[] | undefined;
  /** Of labels that are texts, the one that scores are the chance of. */
  readonly positive?: string | undefined;
}

/** The rows of the training set: of a label set, of a file of labels, or of entities at times. As `exportTrainingSet` takes them. */
export interface TrainRows {
  /** Decisions by this label set, of [from, to): each with what came of it, where that is final. */
  readonly labels?: string | undefined;
  /** Of labels: when they are asked for; default the latest time for which they can be told. */
  readonly asOf?: string | undefined;
  /** Of labels: decisions of this model alone, of this variant alone. */
  readonly decidedBy?: string | undefined;
  readonly variant?: string | undefined;
  /** Of labels: decisions that were not acted on are rows, too. */
  readonly shadows?: boolean | undefined;
  readonly spine?: string | undefined;
  readonly entities?: string | undefined;
  readonly entitiesOf?: string | undefined;
  readonly every?: string | undefined;
  /** ISO times or dates, or from the run's start: `now`, `-90d`. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly maxRows?: number | undefined;
  readonly timeColumn?: string | undefined;
  readonly timeZone?: string | undefined;
  readonly timeAt?: 'start' | 'end' | undefined;
  readonly mode?: ExportMode | undefined;
  readonly requestColumn?: string | undefined;
  readonly missing?: 'error' | 'null' | undefined;
  readonly onError?: 'fail' | 'null' | undefined;
  readonly sample?: number | undefined;
  /** The earliest share of the rows is to train on, the rest to test with. */
  readonly split?: number | undefined;
}

/** What `trainModel` is started with: one JSON object. */
export interface TrainInput extends TrainRows {
  readonly model: string;
  readonly service: string;
  /** Program and arguments; one text is for /bin/sh. */
  readonly command: readonly string[] | string;
  /** The folder of the code, in MILLRACE_TRAINING_DIR of the workers. Default: that folder itself. */
  readonly workdir?: string | undefined;
  /** Variables the command gets beside those of the run. They stand in the workflow's history: no secrets. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** The longest it may run, as `6h` (the default). */
  readonly timeout?: string | undefined;
  /** The longest it may say nothing, as `10m` (the default). */
  readonly silence?: string | undefined;
  /** What all its processes together may hold. Default: no limit. */
  readonly memoryMb?: number | undefined;
  /** How the scores that the command wrote (MILLRACE_SCORES_OUT) are looked at; of labels alone. */
  readonly evaluate?: TrainEvaluation | undefined;
  readonly minimum?: TrainMinimum | undefined;
  /** Default: `before-publish` of a champion, `before-rollout` where there is a rollout, else `never`. */
  readonly approve?: TrainApproval | undefined;
  /** What stands for the new version. Default `challenger`. */
  readonly as?: TrainAlias | undefined;
  /** The input of `modelRollout` but for its model and candidate; it is opened once the model is published. */
  readonly rollout?: Readonly<Record<string, unknown>> | undefined;
}

/** The steps of a training, in their order. */
export const TRAIN_STEPS = ['check', 'export', 'train', 'judge', 'publish', 'evaluate', 'rollout'] as const;
export type TrainStep = (typeof TRAIN_STEPS)[number];

export type TrainOutcome = 'published' | 'rolled-out' | 'below-minimum' | 'rejected' | 'failed' | 'cancelled';

export type TrainPhase =
  | 'checking'
  | 'exporting'
  | 'training'
  | 'judging'
  | 'awaiting-publish'
  | 'publishing'
  | 'evaluating'
  | 'awaiting-rollout'
  | 'opening-rollout'
  | TrainOutcome;

export const TRAIN_COMMANDS = ['approve', 'reject'] as const;
export type TrainCommand = (typeof TRAIN_COMMANDS)[number];

/** One sentence per command, shown in the Temporal UI's list and in the CLI's help. */
export const TRAIN_COMMAND_DESCRIPTIONS: Readonly<Record<TrainCommand, string>> = {
  approve: 'Go on with what waits for approval: publish the model, or open its rollout.',
  reject: 'End the training here. What is published stays published; no rollout is opened.',
};

export interface TrainedSet {
  readonly rows: number;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly features: number;
  /** Rows of both parts, and where they part; null: it is not divided. */
  readonly split: { readonly at: string; readonly trainRows: number; readonly testRows: number } | null;
  /** Labels that are not final yet, and are in no row; null: the rows are no labels of decisions. */
  readonly immature: number | null;
}

/** What the command came to. */
export interface CommandSummary {
  readonly modelBytes: number;
  readonly hasMetrics: boolean;
  /** Whether it wrote scores of decisions, by which it is evaluated. */
  readonly hasScores: boolean;
  /** Which code ran: a hash of all its files. */
  readonly codeSha256: string;
  readonly seconds: number;
  readonly lines: number;
  /** Its last ones. */
  readonly tail: readonly string[];
}

export interface TrainJudgement {
  readonly metrics: Readonly<Record<string, string | number | boolean | null>> | null;
  /** Null: nothing was asked. */
  readonly isMet: boolean | null;
  /** In words. */
  readonly why: string;
}

/** What the evaluation of the new version came to; the whole is `evaluation.json` of the run. */
export interface EvaluatedSummary {
  /** Rows with a score and a label. */
  readonly rows: number;
  readonly metrics: Readonly<Record<string, string | number | boolean | null>>;
  /** What the champion gave on the same days, where it decided then. */
  readonly champion: {
    readonly version: number;
    readonly metrics: Readonly<Record<string, string | number | boolean | null>>;
  } | null;
  readonly notes: readonly string[];
  /** As of `TrainJudgement`. */
  readonly isMet: boolean | null;
  readonly why: string;
}

export interface PublishedSummary {
  readonly version: number;
  /** False: this very file of this very set was published before. */
  readonly isNew: boolean;
  readonly sha256: string;
  readonly alias: TrainAlias;
  /** Why applications find it at their next look only; null: they are told. */
  readonly unannounced: string | null;
}

/** The answer of the query `status`, of every update, and the result. */
export interface TrainStatus {
  readonly model: string;
  readonly service: string;
  readonly phase: TrainPhase;
  /** From and to as they were resolved, null where the rows have no such bounds. */
  readonly from: string | null;
  readonly to: string | null;
  readonly set: TrainedSet | null;
  readonly command: CommandSummary | null;
  readonly judgement: TrainJudgement | null;
  readonly published: PublishedSummary | null;
  readonly evaluated: EvaluatedSummary | null;
  /** The id of the rollout's workflow. */
  readonly rollout: string | null;
  readonly waitingFor: Waiting | null;
  readonly error: Failure | null;
  /** By step, of those that have ended. */
  readonly seconds: Readonly<Partial<Record<TrainStep, number>>>;
  /** What is kept of the run, in the archive's folder: the manifest, and all the command said. */
  readonly run: string;
  readonly accepts: readonly TrainCommand[];
}

/** The result of a scheduled training that found the one before still going. */
export interface TrainSkipped {
  readonly model: string;
  readonly phase: 'skipped';
  readonly reason: string;
}

export const approveTrainingUpdate = defineUpdate<TrainStatus>('approve');
export const rejectTrainingUpdate = defineUpdate<TrainStatus>('reject');
export const trainStatusQuery = defineQuery<TrainStatus>('status');

/** What ends the id of scheduled trainings, before the time that Temporal adds. */
export const SCHEDULED = ':scheduled';
