import { type Client, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import type pg from 'pg';
import { isRetired } from '../engine/define/semantics.ts';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import type { InstallationNames } from '../engine/installation/installation-names.ts';
import { liveVersions, type ViewVersion } from '../engine/postgres/view-versions.ts';
import { Repeated } from '../engine/slice/repeated.ts';
import { type NotedEnds, noteEnds } from '../engine/stream/note-ends.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import type { Clock } from '../engine/values/clock.ts';
import {
  type Applied,
  appliedSignal,
  type EngineNews,
  engineSignal,
  type Phase,
} from '../workflows/feature-lifecycle/contract.ts';
import { FEATURE_PHASE } from '../workflows/search-attributes.ts';

/** It has heard, and shows how far behind it is: only that is news to it. */
const HAS_HEARD: ReadonlySet<string> = new Set(['upgrading'] satisfies Phase[]);
/** It may have heard and does not act before somebody wants it to: it is told less and less often, up to `MOST_RARELY_MS`. */
const MAY_HAVE_HEARD: ReadonlySet<string> = new Set([
  'pausing',
  'paused',
  'built',
  'failed',
  'retiring',
] satisfies Phase[]);
const MOST_RARELY_MS = 600_000;

/** The lifecycles, as whoever tells them sees them. */
export interface Lifecycles {
  /** Null where a view has no lifecycle that runs, or one that has not said yet. */
  phaseOf(view: string): Promise<string | null>;
  /** Nobody is told where there is none. */
  tell(view: string, news: EngineNews): Promise<void>;
}

/** Lifecycles that are told of definitions, too. */
export interface AppliedLifecycles extends Lifecycles {
  /** Nobody is told where there is none. */
  tellApplied(view: string, applied: Applied): Promise<void>;
}

/** The lifecycles of an installation in a Temporal namespace. */
export function lifecyclesOver(client: Client, names: InstallationNames): AppliedLifecycles {
  const over = async <Result>(
    view: string,
    ask: (handle: WorkflowHandle) => Promise<Result>,
  ): Promise<Result | null> => {
    try {
      return await ask(client.workflow.getHandle(names.lifecycleId(view)));
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return null;
      throw error;
    }
  };
  return {
    phaseOf: (view) =>
      over(view, async (handle) => (await handle.describe()).typedSearchAttributes.get(FEATURE_PHASE) ?? null),
    tell: async (view, news) => void (await over(view, (handle) => handle.signal(engineSignal, news))),
    tellApplied: async (view, applied) => void (await over(view, (handle) => handle.signal(appliedSignal, applied))),
  };
}

export interface TellingOptions {
  readonly pool: pg.Pool;
  /** Null where the worker has no Kafka. */
  readonly reader: Pick<LogReader, 'bounds'> | null;
  /** Of this worker: a view that it has no definition of, it cannot build. */
  readonly views: { has(view: string): boolean };
  readonly clock: Clock;
  readonly lifecycles: Lifecycles;
  /** How often the catalog is looked at. */
  readonly everyMs: number;
  readonly onError: (error: unknown) => void;
}

interface Told {
  readonly version: number;
  readonly atMs: number;
  readonly waitMs: number;
}

/**
 * While versions that earlier semantics of the engine built are served: notes how far behind they are, and tells their lifecycles that a
 * worker with later semantics is there, which build what takes over. An idle lifecycle would not know, and one that a worker of the release
 * before keeps in its cache passes over the news: it is told until it shows that it has heard.
 */
export class LifecycleTeller {
  readonly #options: TellingOptions;
  readonly #told = new Map<string, Told>();
  readonly #looks: Repeated;

  constructor(options: TellingOptions) {
    const { everyMs, onError } = options;
    this.#options = options;
    this.#looks = new Repeated({ run: (signal) => this.look(signal), everyMs, onError });
  }

  start(): void {
    this.#looks.start();
  }

  /** Resolves when nothing of it is under way any more. */
  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** One look at the catalog, and what it gives cause to tell. */
  async look(signal?: AbortSignal): Promise<void> {
    const { pool, views } = this.#options;
    for (const version of await liveVersions(pool)) {
      if (signal?.aborted === true) return;
      if (!isRetired(version.semantics) || !views.has(version.view)) continue;
      try {
        await this.#tell(version);
      } catch (error) {
        // One view's trouble is not the others'.
        this.#options.onError(error);
      }
    }
  }

  async #tell(version: ViewVersion): Promise<void> {
    const { lifecycles } = this.#options;
    const { view } = version;
    const noted = await this.#noted(version);
    const phase = await lifecycles.phaseOf(view);
    if (!this.#isDue(version, phase ?? '', noted?.isNews === true)) return;
    await lifecycles.tell(view, { semantics: ENGINE_SEMANTICS, lag: noted?.lag ?? null });
  }

  /** How far behind it is; null without a topic, and where the broker cannot tell. */
  async #noted({ view, version, topic }: ViewVersion): Promise<NotedEnds | null> {
    const { pool, reader, everyMs, onError } = this.#options;
    if (topic === null || reader === null) return null;
    try {
      return await noteEnds({ pool, reader, view, version, freshMs: everyMs / 2 });
    } catch (error) {
      onError(error);
      return null;
    }
  }

  #isDue({ view, version }: ViewVersion, phase: string, isNews: boolean): boolean {
    const { clock, everyMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const before = this.#told.get(view);
    const isFirst = before?.version !== version;
    if (isFirst || !(HAS_HEARD.has(phase) || MAY_HAVE_HEARD.has(phase))) {
      this.#told.set(view, { version, atMs: nowMs, waitMs: everyMs });
      return true;
    }
    if (HAS_HEARD.has(phase)) return isNews;
    if (nowMs < before.atMs + before.waitMs) return false;
    this.#told.set(view, { version, atMs: nowMs, waitMs: Math.min(MOST_RARELY_MS, before.waitMs * 2) });
    return true;
  }
}
