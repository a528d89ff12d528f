import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { CancellationScope, condition, isCancellation, ParentClosePolicy, startChild } from '@temporalio/workflow';
import { batch, batchOptions, CERTAIN, certain, QUICK, quick, trainOptions } from '../activity-profiles.ts';
import { failure, failureOf } from '../failure.ts';
import { byThisRelease } from '../other-release.ts';
import { ownInstallation } from '../own-installation.ts';
import { TRAINING_MODEL, TRAINING_PHASE } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import { trainQueueOf } from '../task-queues.ts';
import { WaitLane } from '../waits.ts';
import type { TrainingOf } from './calls.ts';
import type { TrainOutcome, TrainPhase, TrainStep } from './contract.ts';
import { renderTraining } from './page.ts';
import {
  type TrainEvent,
  type TrainFinding,
  type TrainGate,
  trainPhaseOf,
  type TrainState,
  trainTransition,
} from './state.ts';

const MACHINE: Machine<TrainState, TrainEvent, TrainPhase> = {
  transition: trainTransition,
  phaseOf: trainPhaseOf,
  renderPage: renderTraining,
  attributesOf: ({ asked }, phase) => [
    [
      { key: TRAINING_MODEL, value: ownInstallation().searchValue(asked.model) },
      { key: TRAINING_PHASE, value: phase },
    ],
  ],
};

/** Runs the steps of one training, one after the other. */
export class TrainRunner extends StateRunner<TrainState, TrainEvent, TrainPhase> {
  readonly #of: TrainingOf;
  readonly #queue: string;
  /** Who publishes: whoever started it, or approved. */
  #actor: string;

  constructor(state: TrainState, taskQueue: string, actor: string) {
    super(MACHINE, state, null);
    this.#of = { model: state.asked.model, run: state.run };
    this.#queue = taskQueue;
    this.#actor = actor;
  }

  /** From now on it is done in this name. */
  by(actor: string): void {
    this.#actor = actor;
  }

  /** All steps, to whichever end. What the run took is given back in any case. Throws what a step failed with. */
  async train(): Promise<void> {
    try {
      await this.#end(await this.#steps(), null);
    } catch (error) {
      const failed = isCancellation(error) ? null : failureOf(error, this.state.step, Date.now());
      this.apply({ type: 'ended', outcome: failed === null ? 'cancelled' : 'failed', failure: failed });
      await CancellationScope.nonCancellable(() => this.#giveBack());
      throw error;
    }
  }

  async #steps(): Promise<TrainOutcome> {
    const { asked } = this.state;
    await this.#step('check', () => this.#check());
    await this.#step('export', () => this.#export());
    await this.#step('train', () => this.#command());
    await this.#step('judge', () => this.#judge());
    if (this.state.judgement?.isMet === false) return 'below-minimum';
    if (asked.approve === 'before-publish' && !(await this.#isApproved('publish'))) return 'rejected';
    await this.#step('publish', () => this.#publish());
    if (asked.rows.labels !== undefined && this.state.command?.hasScores === true)
      await this.#step('evaluate', () => this.#evaluate());
    if (asked.minimum?.of === 'evaluation' && this.state.evaluated?.isMet !== true) return 'below-minimum';
    if (asked.rollout === null) return 'published';
    if (asked.approve === 'before-rollout' && !(await this.#isApproved('rollout'))) return 'rejected';
    await this.#step('rollout', () => this.#openRollout());
    return 'rolled-out';
  }

  async #step(step: TrainStep, work: () => Promise<TrainFinding>): Promise<void> {
    this.apply({ type: 'step-begun', step, atMs: Date.now() });
    const found = await work();
    this.apply({ type: 'step-ended', found, atMs: Date.now() });
  }

  async #check(): Promise<TrainFinding> {
    const { command, workdir, environment, model } = this.state.asked;
    const options = { ...QUICK, taskQueue: trainQueueOf(this.#queue), summary: `look at the command of ${model}` };
    await this.#pass('check', () =>
      quick.checkTraining.executeWithOptions(options, [{ ...this.#of, command, workdir, environment }]),
    );
    return {};
  }

  async #export(): Promise<TrainFinding> {
    const { service, rows, model } = this.state.asked;
    const set = await this.#pass('export', () =>
      batch.exportForTraining.executeWithOptions(batchOptions(`training set of ${model}`), [
        { ...this.#of, service, rows },
      ]),
    );
    return { set };
  }

  async #command(): Promise<TrainFinding> {
    const { command, workdir, environment, timeoutMs, silenceMs, memoryMb, model } = this.state.asked;
    const isSplit = this.state.set?.split != null;
    const options = trainOptions(timeoutMs, `train ${model}`);
    const summary = await this.#pass('train', () =>
      batch.runTrainingCommand.executeWithOptions(options, [
        { ...this.#of, command, workdir, environment, timeoutMs, silenceMs, memoryMb, isSplit },
      ]),
    );
    return { command: summary };
  }

  async #judge(): Promise<TrainFinding> {
    const { minimum: given, model } = this.state.asked;
    const minimum = given?.of === 'evaluation' ? null : given;
    const hasMetrics = this.state.command?.hasMetrics === true;
    const options = { ...QUICK, summary: `judge the new ${model}` };
    const judgement = await this.#pass('judge', () =>
      quick.judgeTraining.executeWithOptions(options, [{ ...this.#of, hasMetrics, minimum }]),
    );
    return { judgement };
  }

  async #publish(): Promise<TrainFinding> {
    const { service, as: alias, model } = this.state.asked;
    const hasMetrics = this.state.command?.hasMetrics === true;
    const published = await this.#pass('publish', () =>
      batch.publishTrained.executeWithOptions(batchOptions(`publish ${model}`), [
        { ...this.#of, service, hasMetrics, alias, actor: this.#actor },
      ]),
    );
    return { published };
  }

  async #evaluate(): Promise<TrainFinding> {
    const { rows, evaluate, minimum: given, model } = this.state.asked;
    const minimum = given?.of === 'evaluation' ? given : null;
    const version = this.state.published?.version ?? 0;
    const evaluated = await this.#pass('evaluate', () =>
      batch.evaluateTrained.executeWithOptions(batchOptions(`evaluate ${model}, version ${version}`), [
        { ...this.#of, version, labels: rows.labels ?? '', rows, evaluate, minimum },
      ]),
    );
    return { evaluated };
  }

  /** A child that goes on when this ends: opened once, whatever dies, and no client of Temporal is needed for it. */
  async #openRollout(): Promise<TrainFinding> {
    const { rollout, model } = this.state.asked;
    const workflowId = ownInstallation().rolloutId(model);
    try {
      await startChild('modelRollout', {
        workflowId,
        args: [{ ...rollout, model, candidate: this.state.published?.version }],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        memo: { actor: this.#actor },
        staticSummary: `rollout of ${model}`,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      throw failure(
        'rollout-open',
        `a rollout of model "${model}" is under way (workflow ${workflowId}): version ${this.state.published?.version} is published, and not rolled out`,
        'Let that one end, or end it; then start the rollout of this version by itself.',
      );
    }
    return { rollout: workflowId };
  }

  async #isApproved(gate: TrainGate): Promise<boolean> {
    this.apply({ type: 'gate-reached', gate });
    await condition(() => this.state.answer !== null);
    const isApproved = this.state.answer === 'approve';
    if (isApproved) this.apply({ type: 'gate-passed' });
    return isApproved;
  }

  async #end(outcome: TrainOutcome, failed: null): Promise<void> {
    this.apply({ type: 'ended', outcome, failure: failed });
    await CancellationScope.nonCancellable(() => this.#giveBack());
  }

  /** Removes what only the run needed, and has its end counted. */
  async #giveBack(): Promise<void> {
    const { outcome, failure: failed, seconds } = this.state;
    const options = { ...CERTAIN, summary: `end of the training of ${this.#of.model}` };
    const lane = new WaitLane('end', 'anything', (name, waiting) =>
      this.apply({ type: 'waiting', lane: name, waiting }),
    );
    for (;;) {
      try {
        await certain.endTraining.executeWithOptions(options, [
          { ...this.#of, outcome: outcome ?? 'failed', code: failed?.code ?? null, seconds },
        ]);
        return lane.over();
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
  }

  #pass<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return byThisRelease(
      work,
      new WaitLane(name, 'what-passes', (lane, waiting) => this.apply({ type: 'waiting', lane, waiting })),
    );
  }
}
