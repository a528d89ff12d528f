import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import { CERTAIN, certain, QUICK, quick, sliceBudgetMs, stream, streamOptions } from '../activity-profiles.ts';
import { failure, failureOf } from '../failure.ts';
import { type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { ownInstallation } from '../own-installation.ts';
import { ARCHIVE_PHASE, ARCHIVE_SOURCE } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import type { ArchiveOptions, ArchivePhase, ArchiveSliceSummary } from './contract.ts';
import { type Until, WaitLane } from '../waits.ts';
import { renderArchivePage } from './page.ts';
import {
  type ArchiveEvent,
  ARCHIVING,
  archivePhaseOf,
  type ArchiveState,
  archiveTransition,
  shouldArchive,
} from './state.ts';

/** The first slice is short, so that its page soon shows what there is. */
const FIRST_SLICE_SECONDS = 15;
/** Merging the files of a slice: minutes at most, and it tells that it lives. */
const TEND_BUDGET_MS = 1_800_000;
const TEND_TRIES = 3;

const MACHINE: Machine<ArchiveState, ArchiveEvent, ArchivePhase> = {
  transition: archiveTransition,
  phaseOf: archivePhaseOf,
  renderPage: renderArchivePage,
  attributesOf: ({ source }, phase) => [
    [
      { key: ARCHIVE_SOURCE, value: ownInstallation().searchValue(source) },
      { key: ARCHIVE_PHASE, value: phase },
    ],
  ],
};

/** Of a source that was never archived there is nothing to wait for: the workflow ends with it, and its id is free. */
const FATAL: readonly MillraceErrorCode[] = ['unknown-source', 'source-without-topic'];

/** Runs the work of one archive, one thing at a time. */
export class ArchiveRunner extends StateRunner<ArchiveState, ArchiveEvent, ArchivePhase> {
  readonly #options: ArchiveOptions;
  #lane: Lane | null = null;

  constructor(state: ArchiveState, options: ArchiveOptions) {
    super(MACHINE, state, options.maxHistoryEvents);
    this.#options = options;
  }

  /** A round that should not go on is broken off. */
  override apply(event: ArchiveEvent): void {
    super.apply(event);
    if (!shouldArchive(this.state)) stopLane(this.#lane);
  }

  /** A slice of copying and the housekeeping after it. Broken off or failed: fenced before this returns. */
  async round(): Promise<void> {
    const lane = openLane();
    this.#lane = lane;
    this.apply({ type: 'round-started' });
    let during = 'looking up the source';
    const broken = await runLane(
      lane,
      () => during,
      async () => {
        if (this.state.plan === null) await this.#resolve();
        during = 'archiving';
        const slice = await this.#slice();
        this.apply({ type: 'slice-ended', slice });
        await this.#tend(lane);
      },
    );
    const failed = broken?.failure ?? null;
    const fatal = this.state.plan === null ? FATAL.find((code) => code === failed?.code) : undefined;
    if (failed !== null && fatal !== undefined) throw failure(fatal, failed.message, failed.remedy);
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
    const { source } = this.state;
    const options = { ...QUICK, summary: `look up ${source}` };
    const lane = this.#waitLane('looking up', 'what-passes');
    for (;;) {
      try {
        const plan = await quick.resolveSource.executeWithOptions(options, [{ source }]);
        lane.over();
        this.apply({ type: 'resolved', plan });
        return;
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
  }

  async #slice(): Promise<ArchiveSliceSummary> {
    const { source, slices } = this.state;
    const { sliceSeconds, rollRows, rollSeconds } = this.#options;
    const seconds = slices === 0 ? Math.min(FIRST_SLICE_SECONDS, sliceSeconds) : sliceSeconds;
    const budgetMs = sliceBudgetMs(seconds);
    this.apply({ type: 'generation-taken' });
    return await stream.runArchiveSlice.executeWithOptions(streamOptions(budgetMs, `archive ${source}`), [
      {
        source,
        generation: this.state.generation,
        budgetMs,
        rollRows,
        rollSeconds,
        waiting: this.state.waiting?.[ARCHIVING] ?? null,
      },
    ]);
  }

  async #tend(lane: Lane): Promise<void> {
    const { source } = this.state;
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
    if (this.state.plan === null) return;
    this.apply({ type: 'generation-taken' });
    const { source, generation } = this.state;
    const options = { ...CERTAIN, summary: `fence the archive of ${source}` };
    const lane = this.#waitLane('fence', 'anything');
    for (;;) {
      try {
        await certain.fenceArchive.executeWithOptions(options, [{ source, generation }]);
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
