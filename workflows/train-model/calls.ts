import type {
  TrainAlias,
  TrainEvaluation,
  TrainInput,
  TrainMinimum,
  TrainOutcome,
  TrainRows,
  TrainStep,
} from './contract.ts';

/** Whose run: its folder is made of these. */
export interface TrainingOf {
  readonly model: string;
  /** The id of the workflow's run. */
  readonly run: string;
}

export interface CheckTrainingInput extends TrainingOf {
  readonly command: TrainInput['command'];
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface ExportForTrainingInput extends TrainingOf {
  readonly service: string;
  readonly rows: TrainRows;
}

export interface TrainingCommandInput extends CheckTrainingInput {
  readonly timeoutMs: number;
  readonly silenceMs: number;
  readonly memoryMb: number | null;
  readonly isSplit: boolean;
}

export interface JudgeTrainingInput extends TrainingOf {
  readonly hasMetrics: boolean;
  readonly minimum: TrainMinimum | null;
}

export interface PublishTrainedInput extends TrainingOf {
  readonly service: string;
  readonly hasMetrics: boolean;
  readonly alias: TrainAlias;
  readonly actor: string;
}

export interface EvaluateTrainedInput extends TrainingOf {
  readonly version: number;
  readonly labels: string;
  readonly rows: TrainRows;
  readonly evaluate: TrainEvaluation;
  readonly minimum: TrainMinimum | null;
}

export interface EndTrainingInput extends TrainingOf {
  readonly outcome: TrainOutcome;
  /** Of the error it failed with. */
  readonly code: string | null;
  readonly seconds: Readonly<Partial<Record<TrainStep, number>>>;
}
