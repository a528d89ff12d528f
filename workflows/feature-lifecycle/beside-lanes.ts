import { CancellationScope, condition } from '@temporalio/workflow';
import { Alarm } from '../alarm.ts';
import { type Lane, openLane, runLane, stopLane } from '../lane.ts';
import type { OtherReleases } from '../other-release.ts';
import type { Until, WaitLane } from '../waits.ts';
import { diff, drop, type FlipManner } from './calls.ts';
import type { LifecycleOptions, VersionCommand } from './contract.ts';
import { flipBeside } from './flip.ts';
import { MOST_COMPARED, notJudged, verdictOf } from './judgement.ts';
import { topicOf } from './own-topic.ts';
import type { OfferedVersion, SideVersion } from './side-version.ts';
import type { LifecycleState } from './state.ts';
import type { LifecycleEvent } from './transition.ts';

/** Whose versions beside the served one they are, and by what work on them is done. */
export interface BesideOf {
  readonly owner: { readonly state: LifecycleState; apply(event: LifecycleEvent): void };
  readonly options: LifecycleOptions;
  readonly others: OtherReleases;
  readonly waitLane: (name: string, until: Until) => WaitLane;
  readonly meetThePresent: (version: number, fingerprint: string) => Promise<void>;
  /** Called when there may be other things to do. */
  readonly onChange: () => void;
}

/** What is done with the versions beside the served one, but for their streams: one waits to be approved, one is kept, others go. */
export class BesideLanes {
  readonly #of: BesideOf;
  readonly #alarm: Alarm;
  #judge: { readonly lane: Lane; readonly version: number } | null = null;
  #isDropping = false;

  constructor(of: BesideOf) {
    this.#of = of;
    this.#alarm = new Alarm(of.onChange);
  }

  /** True while something runs that would start over in a new run. */
  get isBound(): boolean {
    return this.#judge !== null || this.#of.owner.state.flipping !== null;
  }

  get isIdle(): boolean {
    return !this.isBound && !this.#isDropping;
  }

  /** Wakes the run when what is kept goes. */
  wakeAt(atMs: number | null, summary: string): void {
    this.#alarm.set(atMs, summary);
  }

  /** Flips readers to a version beside the served one. What it is refused with is thrown, and nothing is done then. */
  async flip(command: VersionCommand, side: SideVersion, manner: FlipManner): Promise<void> {
    const { owner, options, others, meetThePresent } = this.#of;
    const { version, fingerprint } = side;
    owner.apply({ type: 'flip-started', command, version });
    try {
      const { kept } = await CancellationScope.nonCancellable(async () => {
        const { wants, plan, view } = owner.state;
        // What has no stream of its own was last looked at when it was built.
        if (!wants.streaming && topicOf(side, plan) !== null && !manner.isStale)
          await meetThePresent(version, fingerprint);
        return await others.pass(() => flipBeside(view, version, options, manner));
      });
      owner.apply({ type: 'flipped', command, version, kept, atMs: Date.now() });
    } catch (error) {
      owner.apply({ type: 'flip-failed' });
      throw error;
    }
  }

  /** Starts to ask whether a version is approved by itself, or stops to ask of another one. */
  ensureJudge(offered: OfferedVersion | null): void {
    if (this.#judge !== null) {
      if (this.#judge.version !== offered?.version) stopLane(this.#judge.lane);
      return;
    }
    if (offered === null) return;
    this.#judge = { lane: openLane(), version: offered.version };
    void this.#runJudge(this.#judge.lane, offered);
  }

  /** Starts to drop a version, whose stream must have ended. */
  ensureDrop(version: number): void {
    if (this.#isDropping) return;
    this.#isDropping = true;
    void this.#runDrop(version);
  }

  /** Approves a version where it differs in no more than its share of the cells from what is served; else it waits for a person, who is told. */
  async #runJudge(lane: Lane, offered: OfferedVersion): Promise<void> {
    const { owner, others, waitLane, onChange } = this.#of;
    const { version, autoShare } = offered;
    const broken = await runLane(
      lane,
      () => 'approval',
      async () => {
        const { view, live } = owner.state;
        const share = autoShare ?? 0;
        if (share < 1 && live !== null) {
          const input = { view, before: live.version, after: version, entities: MOST_COMPARED };
          const summary = await others.pass(() => diff(input), waitLane('comparing', 'what-passes'));
          const verdict = verdictOf(summary, share);
          if (verdict !== null) return owner.apply({ type: 'judged', version, text: verdict });
        }
        await condition(() => owner.state.flipping === null);
        // A person may have been quicker.
        if (owner.state.offered?.version === version)
          await this.flip('approve', offered, { isStale: false, mayStrand: false });
      },
    );
    const failed = broken?.failure ?? null;
    if (failed !== null) owner.apply({ type: 'judged', version, text: notJudged(failed) });
    this.#judge = null;
    onChange();
  }

  async #runDrop(version: number): Promise<void> {
    const { owner, waitLane } = this.#of;
    const lane = waitLane(`dropping version ${version}`, 'anything');
    for (;;) {
      try {
        await drop(owner.state.view, version);
        break;
      } catch (error) {
        await lane.retryAfter(error);
      }
    }
    lane.over();
    this.#isDropping = false;
    owner.apply({ type: 'dropped', version });
  }
}
