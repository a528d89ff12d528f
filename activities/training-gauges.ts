import type { Client, ScheduleSummary } from '@temporalio/client';
import type { MetricGauge, MetricMeter } from '@temporalio/common';
import { type InstallationNames, installationOfQueue } from '../engine/installation/installation-names.ts';
import type { TrainPhase } from '../workflows/train-model/contract.ts';
import { TRAINING_MODEL, TRAINING_PHASE } from '../workflows/search-attributes.ts';
import { gaugeOn } from './worker-metrics.ts';

/** So many of the newest runs are looked at, of all models: what is older says nothing new. */
const RUNS_LOOKED_AT = 500;
const ENDED_WELL: readonly TrainPhase[] = ['published', 'rolled-out'];

export interface TrainingGaugesOptions {
  readonly client: Client;
  readonly installation: InstallationNames;
  readonly meter: MetricMeter;
}

/** What the newest runs of a model say. */
interface Trained {
  failures: number;
  wellMs: number | null;
}

/**
 * How the trainings of models go, as metrics of this worker: how many failed in a row, how old the newest one is that ended well, and how often there is to be
 * one. Temporal's own lists say it, whoever ran them.
 */
export class TrainingGauges {
  readonly #options: TrainingGaugesOptions;
  readonly #failures: MetricGauge;
  readonly #age: MetricGauge;
  readonly #interval: MetricGauge;
  #scheduled = new Set<string>();

  constructor(options: TrainingGaugesOptions) {
    this.#options = options;
    this.#failures = gaugeOn(options.meter, 'millrace_training_failures');
    this.#age = gaugeOn(options.meter, 'millrace_training_age_seconds', 'float');
    this.#interval = gaugeOn(options.meter, 'millrace_training_interval_seconds', 'float');
  }

  /** One look at the lists, shown. */
  async look(): Promise<void> {
    for (const [model, { failures, wellMs }] of await this.#trained()) {
      this.#failures.set(failures, { model });
      if (wellMs !== null) this.#age.set((Date.now() - wellMs) / 1000, { model });
    }
    const intervals = await this.#intervals();
    // A gauge that is set no more would keep what it said last.
    for (const model of this.#scheduled) if (!intervals.has(model)) this.#interval.set(0, { model });
    for (const [model, seconds] of intervals) this.#interval.set(seconds, { model });
    this.#scheduled = new Set([...this.#scheduled, ...intervals.keys()]);
  }

  async #trained(): Promise<Map<string, Trained>> {
    const { client, installation } = this.#options;
    const models = new Map<string, Trained>();
    const runs: { readonly model: string; readonly phase: string; readonly endMs: number }[] = [];
    let looked = 0;
    // The newest end first.
    for await (const run of client.workflow.list({
      query: "WorkflowType = 'trainModel' AND ExecutionStatus != 'Running'",
    })) {
      if (++looked > RUNS_LOOKED_AT) break;
      if (installationOfQueue(run.taskQueue).name !== installation.name) continue;
      const model = run.typedSearchAttributes.get(TRAINING_MODEL)?.slice(installation.searchValue('').length);
      const phase = run.typedSearchAttributes.get(TRAINING_PHASE);
      if (model !== undefined && phase !== undefined && run.closeTime !== undefined)
        runs.push({ model, phase, endMs: run.closeTime.getTime() });
    }
    runs.sort((a, b) => b.endMs - a.endMs);
    const isOver = new Set<string>();
    for (const { model, phase, endMs } of runs) {
      const trained = models.get(model) ?? { failures: 0, wellMs: null };
      models.set(model, trained);
      if (phase === 'failed' && !isOver.has(model)) trained.failures++;
      // What a person stopped says neither.
      if (phase !== 'failed' && phase !== 'cancelled') isOver.add(model);
      if ((ENDED_WELL as readonly string[]).includes(phase)) trained.wellMs ??= endMs;
    }
    return models;
  }

  async #intervals(): Promise<Map<string, number>> {
    const { client, installation } = this.#options;
    const prefix = installation.trainingId('');
    const intervals = new Map<string, number>();
    for await (const schedule of client.schedule.list()) {
      const seconds = schedule.scheduleId.startsWith(prefix) ? intervalOf(schedule) : null;
      if (seconds !== null) intervals.set(schedule.scheduleId.slice(prefix.length), seconds);
    }
    return intervals;
  }
}

/** From one training to the next; null of a schedule that is paused. */
function intervalOf({ state, info }: ScheduleSummary): number | null {
  const [first, second] = info?.nextActionTimes ?? [];
  if (state?.paused || first === undefined || second === undefined) return null;
  return (second.getTime() - first.getTime()) / 1000;
}
