import { setTimeout as delay } from 'node:timers/promises';
import { actorName } from '../../cli/actor.ts';
import type { withTemporal } from '../../cli/with-temporal.ts';
import type { InstallationNames } from '../../engine/installation/installation-names.ts';
import { type RolloutInput, type RolloutStatus, rolloutStatusQuery } from '../../workflows/model-rollout/contract.ts';

type TemporalClient = Parameters<Parameters<typeof withTemporal>[2]>[0];
type Handle = ReturnType<TemporalClient['workflow']['getHandle']>;

/** A look at a rollout in every so many ms of ours. */
const LOOK_EVERY_MS = 250;
const ENDED: ReadonlySet<string> = new Set(['promoted', 'returned']);
/** It waits for a person then, whom there is none of. */
const STUCK = 'failed';

/** Where a rollout stood at a time of June. */
export interface CoursePoint {
  /** UTC epoch µs, by the clock of the replay. */
  readonly atUs: number;
  readonly phase: string;
  readonly stage: number;
  readonly share: number;
  readonly units: number;
  /** Of the candidate less the other; null: not known, or open on that side. */
  readonly difference: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** How a rollout went. */
export interface RolloutCourse {
  readonly candidate: number;
  readonly startedUs: number;
  readonly endedUs: number | null;
  readonly end: string;
  readonly why: string;
  readonly points: readonly CoursePoint[];
  /** When each stage began, UTC epoch µs, by the clock of the replay. */
  readonly stages: readonly { readonly stage: number; readonly share: number; readonly fromUs: number }[];
}

/** A rollout that runs, and what was seen of it. */
export class FollowedRollout {
  readonly #handle: Handle;
  readonly #candidate: number;
  readonly #startedUs: number;
  readonly #points: CoursePoint[] = [];
  readonly #stages: { stage: number; share: number; fromUs: number }[] = [];
  #lookedMs = Number.NEGATIVE_INFINITY;
  #status: RolloutStatus | null = null;
  #endedUs: number | null = null;

  private constructor(handle: Handle, candidate: number, startedUs: number) {
    this.#handle = handle;
    this.#candidate = candidate;
    this.#startedUs = startedUs;
  }

  /** Starts `modelRollout`, as the form of the Temporal UI does. */
  static async start(
    client: TemporalClient,
    { names, taskQueue }: { readonly names: InstallationNames; readonly taskQueue: string },
    input: RolloutInput & { readonly candidate: number },
    nowUs: number,
  ): Promise<FollowedRollout> {
    const handle = await client.workflow.start('modelRollout', {
      workflowId: names.rolloutId(input.model),
      taskQueue,
      args: [input],
      memo: { actor: actorName() },
    });
    return new FollowedRollout(handle, input.candidate, nowUs);
  }

  get status(): RolloutStatus | null {
    return this.#status;
  }

  /**
   * Looks at it, now and then; whether it has ended. Where June has gone further than `everyUs` beyond the last evidence it waits for what is newer: time that
   * passes ten thousand times as fast leaves nobody behind.
   */
  async isOver(nowUs: number, everyUs: number, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      signal.throwIfAborted();
      if (await this.#look(nowUs)) return true;
      const { asOfUs } = this.#status?.judgement ?? {};
      if (nowUs - Math.max(asOfUs ?? 0, this.#startedUs) < everyUs) return false;
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  async #look(nowUs: number): Promise<boolean> {
    if (this.#endedUs !== null) return true;
    if (performance.now() - this.#lookedMs < LOOK_EVERY_MS) return false;
    const status = await this.#handle.query(rolloutStatusQuery);
    this.#lookedMs = performance.now();
    this.#status = status;
    this.#note(status, nowUs);
    if (status.phase === STUCK) return true;
    if (!ENDED.has(status.phase)) return false;
    this.#endedUs = nowUs;
    // It ends by itself; what it failed with would be told here.
    await this.#handle.result();
    return true;
  }

  /** For the progress line. */
  get line(): string {
    const status = this.#status;
    if (status === null) return 'rollout: starting';
    const { phase, stage, stages, share, because } = status;
    const of = share === 0 ? 'shadow' : `share ${Math.round(share * 100)} %`;
    return `rollout of version ${this.#candidate}: ${phase}, stage ${stage + 1} of ${stages} (${of}): ${because}`;
  }

  get course(): RolloutCourse {
    return {
      candidate: this.#candidate,
      startedUs: this.#startedUs,
      endedUs: this.#endedUs,
      end: this.#status?.phase ?? 'starting',
      why: this.#status?.because ?? '',
      points: this.#points,
      stages: this.#stages,
    };
  }

  #note(status: RolloutStatus, atUs: number): void {
    const { phase, stage, share, judgement } = status;
    if (this.#stages.at(-1)?.stage !== stage && status.rollout !== null)
      this.#stages.push({ stage, share, fromUs: atUs });
    const units = judgement?.stages.find((one) => one.stage === stage)?.units ?? 0;
    const { value = null, low = null, high = null } = judgement?.combined ?? {};
    const last = this.#points.at(-1);
    if (last !== undefined && last.phase === phase && last.stage === stage && last.units === units) return;
    this.#points.push({ atUs, phase, stage, share, units, difference: value, low, high });
  }
}
