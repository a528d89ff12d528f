import { patched } from '@temporalio/workflow';
import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { CERTAIN, certain, QUICK, quick, sliceBudgetMs, stream, streamOptions } from '../activity-profiles.ts';
import { failure } from '../failure.ts';
import { type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { ownInstallation } from '../own-installation.ts';
import { PAIRS } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import { type Until, WaitLane } from '../waits.ts';
import type { PairsOptions, PairsPhase, PairsSliceSummary } from './contract.ts';
import { renderPairsPage } from './page.ts';
import { JOINING, type PairsEvent, pairsPhaseOf, type PairsState, pairsTransition, shouldJoin } from './state.ts';

/** The first slice is short, so that its page soon shows what there is. */
const FIRST_SLICE_SECONDS = 60;

/** Runs from before that are replayed say nothing of themselves in the list. */
const LISTED = 'pairs-listed';

const machineOf = (isListed: boolean): Machine<PairsState, PairsEvent, PairsPhase> => ({
  transition: pairsTransition,
  phaseOf: pairsPhaseOf,
  renderPage: renderPairsPage,
  attributesOf: ({ labelSet }, phase) =>
    isListed ? [[{ key: PAIRS, value: [ownInstallation().searchValue(labelSet), phase] }]] : [],
});

/** Of a label set that nobody knows there is nothing to wait for: the workflow ends with it, and its id is free. */
const FATAL: readonly MillraceErrorCode[] = ['unknown-label-set', 'source-without-topic'];

/** Runs the work of one joiner, one thing at a time. */
export class PairsRunner extends StateRunner<PairsState, PairsEvent, PairsPhase> {
  readonly #options: PairsOptions;
  #lane: Lane | null = null;

  constructor(state: PairsState, options: PairsOptions) {
    super(machineOf(patched(LISTED)), state, options.maxHistoryEvents);
    this.#options = options;
  }

  /** A round that should not go on is broken off. */
  override apply(event: PairsEvent): void {
    super.apply(event);
    if (!shouldJoin(this.state)) stopLane(this.#lane);
  }

  /** A slice of joining. Broken off or failed: fenced before this returns. */
  async round(): Promise<void> {
    const lane = openLane();
    this.#lane = lane;
    this.apply({ type: 'round-started' });
    let during = 'looking up the label set';
    const broken = await runLane(
      lane,
      () => during,
      async () => {
        if (this.state.plan === null) await this.#resolve();
        during = 'joining';
        this.apply({ type: 'slice-ended', slice: await this.#slice() });
      },
    );
    const failed = broken?.failure ?? null;
    const fatal = this.state.plan === null ? FATAL.find((code) => code === failed?.code) : undefined;
    if (failed !== null && fatal !== undefined) throw failure(fatal, failed.message, failed.remedy);
    this.#lane = null;
    if (lane.stopping || failed !== null) await this.#fence();
    this.apply({ type: 'round-ended', failure: failed });
  }

  /** Fences every joiner of the label set. */
  async stop(): Promise<void> {
    await this.#fence();
    this.apply({ type: 'stopped' });
  }

  async #resolve(): Promise<void> {
    const { labelSet } = this.state;
    const options = { ...QUICK, summary: `look up ${labelSet}` };
    const lane = this.#waitLane('looking up', 'what-passes');
    for (;;) {
      try {
        const plan = await quick.resolvePairs.executeWithOptions(options, [{ labelSet }]);
        lane.over();
        this.apply({ type: 'resolved', plan });
        return;
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
  }

  async #slice(): Promise<PairsSliceSummary> {
    const { labelSet, slices } = this.state;
    const { sliceSeconds } = this.#options;
    const seconds = slices === 0 ? Math.min(FIRST_SLICE_SECONDS, sliceSeconds) : sliceSeconds;
    const budgetMs = sliceBudgetMs(seconds);
    this.apply({ type: 'generation-taken' });
    return await stream.runPairsSlice.executeWithOptions(streamOptions(budgetMs, `join ${labelSet}`), [
      { labelSet, generation: this.state.generation, budgetMs, waiting: this.state.waiting[JOINING] ?? null },
    ]);
  }

  async #fence(): Promise<void> {
    const { labelSet, plan } = this.state;
    if (plan === null) return;
    this.apply({ type: 'generation-taken' });
    const { generation } = this.state;
    const options = { ...CERTAIN, summary: `fence the joiner of ${labelSet}` };
    const lane = this.#waitLane('fence', 'anything');
    for (;;) {
      try {
        await certain.fencePairs.executeWithOptions(options, [{ labelSet, topic: plan.topic, generation }]);
        return lane.over();
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
  }

  #waitLane(name: string, until: Until): WaitLane {
    return new WaitLane(name, until, (lane, waiting) => this.apply({ type: 'waiting', lane, waiting }));
  }
}
