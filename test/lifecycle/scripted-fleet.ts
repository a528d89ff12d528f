import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/create-activities.ts';
import type { LiveVersion, ViewPlan } from '../../workflows/feature-lifecycle/contract.ts';
import { auditSummary, type ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

/** The definition as workers of each release know it. */
export const BEFORE = 'fingerprint-1';
export const NOW = 'fingerprint-2';
export const SEMANTICS = 2;

type Release = 'before' | 'now';

/**
 * Workers of two releases on one queue, each of which answers as its real ones do: those of the release before know nothing of semantics, and
 * those of this one apply nothing to what was built before. The catalog is theirs in common.
 */
export class ScriptedFleet {
  readonly script: ScriptedActivities;
  /** Which release takes a call. */
  taker: (name: string, input: unknown) => Release = (name) => (name === 'flipView' ? 'now' : 'before');
  /** Of the worker's definition, by its former name. */
  former = BEFORE;
  /** A call that is not answered before its promise is settled. */
  holding: Readonly<Record<string, Promise<void>>> = {};
  live: LiveVersion | null = null;
  /** What a build of this release is refused with, where it is to cover another version. */
  coverage: ApplicationFailure | null = null;
  readonly #built = new Map<number, LiveVersion>();

  constructor(script: ScriptedActivities) {
    this.script = script;
    script.plan = { ...script.plan, fingerprint: BEFORE };
  }

  #plan(release: Release): ViewPlan {
    const { live } = this;
    if (release === 'now')
      return { ...this.script.plan, fingerprint: NOW, semantics: SEMANTICS, former: this.former, live };
    const { semantics: _, ...known } = live ?? { semantics: 0 };
    return { ...this.script.plan, fingerprint: BEFORE, live: live === null ? null : (known as LiveVersion) };
  }

  /** What a worker answers to whom it cannot serve. */
  #refuse(release: Release, { fingerprint }: { readonly fingerprint: string }): void {
    if (fingerprint === (release === 'now' ? NOW : BEFORE)) return;
    throw release === 'now' ? scriptedFailure('semantics-retired') : scriptedFailure('definition-changed', {});
  }

  #publish(version: number): void {
    this.live = this.#built.get(version) ?? this.live;
  }

  activities(): Activities {
    const base = this.script.activities();
    const taken = async (name: string, input: unknown): Promise<Release> => {
      await this.holding[name];
      return this.taker(name, input);
    };
    return {
      ...base,
      resolveView: async (input) => {
        const release = await taken('resolveView', input);
        await base.resolveView(input);
        return this.#plan(release);
      },
      backfillView: async (input) => {
        const release = await taken('backfillView', input);
        this.script.calls.push({ name: `asked ${release} to build`, input });
        this.#refuse(release, input);
        if (input.covers !== undefined && this.coverage !== null) throw this.coverage;
        const built = { ...(await base.backfillView(input)), ...(release === 'now' ? { semantics: SEMANTICS } : {}) };
        const { version, rows, entities } = built;
        this.#built.set(version, {
          version,
          rows,
          entities,
          fingerprint: input.fingerprint,
          semantics: release === 'now' ? SEMANTICS : 1,
          publishedAtMs: 1_000,
        });
        return built;
      },
      runStreamSlice: async (input) => {
        this.#refuse(await taken('runStreamSlice', input), input);
        return await base.runStreamSlice(input);
      },
      provePromotion: async (input) => {
        const release = await taken('provePromotion', input);
        if (release === 'now' && input.fingerprint === BEFORE)
          return auditSummary({ version: input.version, verdict: 'nothing-compared', cellsCompared: 0 });
        this.#refuse(release, input);
        return await base.provePromotion(input);
      },
      switchVersion: async (input) => {
        const switched = await base.switchVersion(input);
        this.#publish(input.version);
        return switched;
      },
      publishView: async (input) => {
        await base.publishView(input);
        this.#publish(input.version);
      },
      flipView: async (input) => {
        // As the SDK answers for an activity that a worker does not have.
        if ((await taken('flipView', input)) === 'before')
          throw ApplicationFailure.create({ type: 'NotFoundError', message: 'not registered', nonRetryable: false });
        await base.flipView(input);
        this.#publish(input.version);
      },
    };
  }
}
