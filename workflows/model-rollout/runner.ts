import type { MillraceErrorCode } from '../../engine/errors/error-codes.ts';
import type { Judgement } from '../../engine/rollouts/judgement.ts';
import { CERTAIN, certain, QUICK, quick, stream, streamOptions } from '../activity-profiles.ts';
import { failure, failureOf } from '../failure.ts';
import { type Lane, openLane, runLane, stopLane } from '../lane.ts';
import { ownInstallation } from '../own-installation.ts';
import { ROLLOUT_MODEL, ROLLOUT_PHASE } from '../search-attributes.ts';
import { type Machine, StateRunner } from '../state-runner.ts';
import { type Until, WaitLane } from '../waits.ts';
import type { RolloutPhase, RolloutPlan, WatchRolloutResult } from './contract.ts';
import type { RolloutDecision } from './decide.ts';
import { renderRolloutPage } from './page.ts';
import { type RolloutEvent, type RolloutState, rolloutTransition } from './state.ts';
import { rolloutPhaseOf } from './status.ts';

/** A watch that begins again reads the rollout's decisions again: seldom. */
const WATCH_BUDGET_MS = 6 * 3_600_000;
/** A look reads the logs, and may wait for memory. */
const JUDGE_BUDGET_MS = 3_600_000;
const JUDGE_TRIES = 5;

/** What only another start form helps against. */
const FATAL: readonly MillraceErrorCode[] = ['unknown-label-set', 'unknown-model', 'invalid-rollout', 'rollout-open'];

const MACHINE: Machine<RolloutState, RolloutEvent, RolloutPhase> = {
  transition: rolloutTransition,
  phaseOf: rolloutPhaseOf,
  renderPage: renderRolloutPage,
  attributesOf: ({ asked }, phase) => [
    [
      { key: ROLLOUT_MODEL, value: ownInstallation().searchValue(asked.model) },
      { key: ROLLOUT_PHASE, value: phase },
    ],
  ],
};

/** Runs the work of one rollout: its watch, and beside it one thing after the other. */
export class RolloutRunner extends StateRunner<RolloutState, RolloutEvent, RolloutPhase> {
  /** Something has happened since it was decided what to do. */
  changed = false;
  readonly #rollout: string;
  #watch: Lane | null = null;
  #watching: Promise<void> = Promise.resolve();
  #work: Lane | null = null;

  /** @param rollout the id of its row: of one workflow, over all its runs, one */
  constructor(state: RolloutState, rollout: string) {
    super(MACHINE, state, state.asked.options.maxHistoryEvents);
    this.#rollout = rollout;
  }

  /** Whoever ends it waits for no look at the evidence. */
  override apply(event: RolloutEvent): void {
    super.apply(event);
    this.changed = true;
    if (this.state.wants.end !== null || this.state.returned !== null) stopLane(this.#work);
  }

  /** Opens the rollout. What can only be put right in its start form ends the workflow: its id is free again. */
  async open(actor: string): Promise<void> {
    const { asked } = this.state;
    const rollout = this.#rollout;
    const options = { ...QUICK, summary: `open a rollout of ${asked.model}` };
    await this.#step('opening', 'what-passes', async () => {
      const plan = await quick.openModelRollout.executeWithOptions(options, [{ rollout, asked, actor }]);
      this.apply({ type: 'opened', plan, atMs: Date.now() });
    });
    const { failure: failed } = this.state;
    const fatal = FATAL.find((code) => code === failed?.code);
    if (failed !== null && fatal !== undefined) throw failure(fatal, failed.message, failed.remedy);
  }

  /** Looks at the evidence. */
  async judge(): Promise<void> {
    const { asked, plan, stage } = this.state;
    const options = streamOptions(JUDGE_BUDGET_MS, `judge ${asked.model}, stage ${stage + 1}`);
    const retry = { ...options.retry, maximumAttempts: JUDGE_TRIES };
    await this.#step('judging', 'what-passes', async () => {
      const judgement: Judgement = await stream.judgeModelRollout.executeWithOptions({ ...options, retry }, [
        { plan: plan!, asked, stage },
      ]);
      this.apply({ type: 'judged', judgement, atMs: Date.now() });
    });
  }

  /** Gives the candidate its next share, of this stage or of the next. */
  async move(decision: Extract<RolloutDecision, { do: 'move' }>): Promise<void> {
    const { asked, plan, revision } = this.state;
    const { stage, share, actor, why } = decision;
    const options = { ...QUICK, summary: `${asked.model}: stage ${stage + 1}, ${share}` };
    const input = { plan: plan!, expected: revision!, stage, share, actor, why };
    await this.#step('moving', 'what-passes', async () => {
      const moved = await quick.moveModelRollout.executeWithOptions(options, [input]);
      this.apply({ type: 'moved', stage, share, why, revision: moved.revision, atMs: Date.now() });
    });
  }

  /** Ends it, and its watch. What keeps it from promoting is said, and a person is asked. */
  async end({ how, actor, why }: Extract<RolloutDecision, { do: 'end' }>): Promise<void> {
    const { asked } = this.state;
    const rollout = this.#rollout;
    const options = { ...CERTAIN, summary: `${asked.model}: ${how}` };
    const lane = this.#waitLane('ending', how === 'returned' ? 'anything' : 'what-passes');
    for (;;)
      try {
        const ended = await certain.endModelRollout.executeWithOptions(options, [{ rollout, how, actor, why }]);
        lane.over();
        this.apply({ type: 'ended', how: ended.how, why, atMs: Date.now() });
        break;
      } catch (error) {
        try {
          await lane.retryAfter(error);
        } catch (given) {
          return this.apply({ type: 'end-failed', failure: failureOf(given, 'ending', Date.now()) });
        }
      }
    await this.endWatch();
  }

  /** Watches, unless it does already, for as long as the rollout is open and nothing failed. */
  keepWatch(): void {
    const { plan, ended, failure, returned } = this.state;
    if (plan === null || ended !== null || failure !== null || returned !== null || this.#watch !== null) return;
    const lane = openLane();
    this.#watch = lane;
    this.#watching = this.#watchOn(lane, plan);
  }

  async endWatch(): Promise<void> {
    if (this.#watch !== null) {
      this.#watch.ending = true;
      this.#watch.scope.cancel();
    }
    await this.#watching;
  }

  async #watchOn(lane: Lane, plan: RolloutPlan): Promise<void> {
    const { asked } = this.state;
    const broken = await runLane(
      lane,
      () => 'watching',
      async () => {
        while (!lane.ending && this.state.returned === null) {
          const options = streamOptions(WATCH_BUDGET_MS, `watch ${asked.model}`);
          const input = { plan, asked, budgetMs: WATCH_BUDGET_MS };
          this.#hear(await stream.watchModelRollout.executeWithOptions(options, [input]));
        }
      },
    );
    this.#watch = null;
    if (broken?.failure != null) this.apply({ type: 'failed', failure: broken.failure });
  }

  #hear(result: WatchRolloutResult): void {
    if (result.ended === 'breached') this.apply({ type: 'breached', breach: result.breach, why: result.why });
    if (result.ended === 'gone') this.apply({ type: 'gone', why: result.why });
    if (result.ended === 'over') this.apply({ type: 'gone', why: 'it was ended by somebody else' });
  }

  /** One piece of work: waited for where it passes, and said where it failed. */
  async #step(name: string, until: Until, work: () => Promise<void>): Promise<void> {
    const own = openLane();
    this.#work = own;
    const broken = await runLane(
      own,
      () => name,
      async () => {
        const lane = this.#waitLane(name, until);
        for (;;)
          try {
            await work();
            return lane.over();
          } catch (error) {
            await lane.retryAfter(error);
          }
      },
    );
    this.#work = null;
    if (broken?.failure != null) this.apply({ type: 'failed', failure: broken.failure });
  }

  #waitLane(name: string, until: Until): WaitLane {
    return new WaitLane(name, until, (lane, waiting) => this.apply({ type: 'waiting', lane, waiting }));
  }
}
