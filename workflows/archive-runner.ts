import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import { failureOf } from './activity-failure.ts';
import { CERTAIN, certain, QUICK, quick, stream, streamOptions } from './activity-profiles.ts';
import type { ArchiveOptions, ArchiveSliceSummary } from './archive-contracts.ts';
import { renderArchivePage } from './archive-page.ts';
import {
  type ArchiveEvent,
  archivePhaseOf,
  type ArchiveState,
  archiveTransition,
  shouldArchive,
} from './archive-state.ts';
import type { Failure } from './contracts.ts';
import { type Lane, openLane, stopLane } from './lane.ts';
import { failure } from './json-input.ts';

const PASSED_SHOWN = 12;
/** The first slice is short, so that its page soon shows what there is. */
const FIRST_SLICE_SECONDS = 60;
/** Merging the files of a slice: minutes at most, and it tells that it lives. */
const TEND_BUDGET_MS = 1_800_000;
const TEND_TRIES = 3;
const SOURCE = defineSearchAttributeKey('ArchiveSource', 'KEYWORD');
const PHASE = defineSearchAttributeKey('ArchivePhase', 'KEYWORD');

/** Of a source that was never archived there is nothing to wait for: the workflow ends with it, and its id is free. */
const FATAL = new Set(['unknown-source', 'source-without-topic']);

/** Runs the work of one archive, one thing at a time. Every change of its state goes through `apply`. */
export class ArchiveRunner {
  readonly #options: ArchiveOptions;
  #state: ArchiveState;
  #lane: Lane | null = null;
  #shownPhase: string | null = null;

  constructor(state: ArchiveState, options: ArchiveOptions) {
    this.#state = state;
    this.#options = options;
    this.apply(null);
  }

  get state(): ArchiveState {
    return this.#state;
  }

  /** Takes an event in and shows what came of it. A round that should not go on is broken off. */
  apply(event: ArchiveEvent | null): void {
    let next = event === null ? this.#state : archiveTransition(this.#state, event);
    const phase = archivePhaseOf(next);
    if (next.passed.at(-1)?.phase !== phase) {
      next = { ...next, passed: [...next.passed, { phase, atMs: Date.now() }].slice(-PASSED_SHOWN) };
    }
    this.#state = next;
    setCurrentDetails(renderArchivePage(next));
    if (this.#shownPhase !== phase) {
      this.#shownPhase = phase;
      upsertSearchAttributes([
        { key: SOURCE, value: next.source },
        { key: PHASE, value: phase },
      ]);
    }
    if (!shouldArchive(next)) stopLane(this.#lane);
  }

  carryOnDue(): boolean {
    const { continueAsNewSuggested, targetWorkerDeploymentVersionChanged, historyLength } = workflowInfo();
    const { maxHistoryEvents } = this.#options;
    return (
      continueAsNewSuggested ||
      targetWorkerDeploymentVersionChanged ||
      (maxHistoryEvents !== null && historyLength >= maxHistoryEvents)
    );
  }

  /** A slice of copying and the housekeeping after it. Broken off or failed: fenced before this returns. */
  async round(): Promise<void> {
    const lane = openLane();
    this.#lane = lane;
    this.apply({ type: 'round-started' });
    let during = 'looking up the source';
    let failed: Failure | null = null;
    try {
      await lane.scope.run(async () => {
        if (this.#state.plan === null) await this.#resolve();
        during = 'archiving';
        const slice = await this.#slice();
        this.apply({ type: 'slice-ended', slice });
        await this.#tend(lane);
      });
    } catch (error) {
      failed = lane.stopping ? null : failureOf(error, during, Date.now());
      if (failed !== null && this.#state.plan === null && FATAL.has(failed.code))
        throw failure(failed.code, failed.message, failed.remedy);
    }
    this.#lane = null;
    if (lane.stopping || failed !== null) await this.#fence();
    this.apply({ type: 'round-ended', failure: failed });
  }

  /** Fences every archiver of the source. */
  async stop(): Promise<void> {
    await this.#fence();
    this.apply({ type: 'stopped' });
  }

  async #resolve(): Promise<void> {
    const { source } = this.#state;
    const options = { ...QUICK, summary: `look up ${source}` };
    this.apply({ type: 'resolved', plan: await quick.resolveSource.executeWithOptions(options, [{ source }]) });
  }

  async #slice(): Promise<ArchiveSliceSummary> {
    const { source, slices } = this.#state;
    const { sliceSeconds, rollRows, rollSeconds } = this.#options;
    const seconds = slices === 0 ? Math.min(FIRST_SLICE_SECONDS, sliceSeconds) : sliceSeconds;
    // A tenth of jitter keeps many archives from changing slices in the same instant.
    const budgetMs = Math.round(seconds * 1000 * (0.9 + 0.2 * Math.random()));
    this.apply({ type: 'generation-taken' });
    return await stream.runArchiveSlice.executeWithOptions(streamOptions(budgetMs, `archive ${source}`), [
      { source, generation: this.#state.generation, budgetMs, rollRows, rollSeconds },
    ]);
  }

  async #tend(lane: Lane): Promise<void> {
    const { source } = this.#state;
    const during = 'merging files';
    const options = streamOptions(TEND_BUDGET_MS, `merge small files of ${source}`);
    const retry = { ...options.retry, maximumAttempts: TEND_TRIES };
    try {
      const tended = await stream.tendArchive.executeWithOptions({ ...options, retry }, [{ source }]);
      this.apply({ type: 'tended', tended });
    } catch (error) {
      if (lane.stopping) throw error;
      this.apply({ type: 'tend-failed', failure: failureOf(error, during, Date.now()) });
    }
  }

  async #fence(): Promise<void> {
    if (this.#state.plan === null) return;
    this.apply({ type: 'generation-taken' });
    const { source, generation } = this.#state;
    await certain.fenceArchive.executeWithOptions({ ...CERTAIN, summary: `fence the archive of ${source}` }, [
      { source, generation },
    ]);
  }
}
