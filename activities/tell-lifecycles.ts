import { setTimeout as delay } from 'node:timers/promises';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { isRetired } from '../engine/define/semantics.ts';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import { liveVersions, type ViewVersion } from '../engine/postgres/view-versions.ts';
import { noteEnds } from '../engine/stream/note-ends.ts';
import { type EngineNews, engineSignal, featureWorkflowId } from '../workflows/feature-lifecycle/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** A lifecycle that does not act (paused, or waiting for a person) is told less and less often, up to this. */
const MOST_RARELY_MS = 3_600_000;

export interface TellingOptions {
  readonly deps: Pick<ActivityDeps, 'pool' | 'topicReader' | 'definitions' | 'clock'>;
  readonly client: Client;
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
 * worker with later semantics is there, which build what takes over. An idle lifecycle would not know, and what a worker of the
 * release before made of the news is not acted upon: so it is told again until the version is replaced.
 */
export class LifecycleTeller {
  readonly #options: TellingOptions;
  readonly #told = new Map<string, Told>();
  readonly #stopped = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: TellingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing of it is under way any more. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.look();
      } catch (error) {
        this.#options.onError(error);
      }
      // Only `stop` ends the wait early.
      await delay(this.#options.everyMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One look at the catalog, and what it gives cause to tell. */
  async look(): Promise<void> {
    const { pool, definitions } = this.#options.deps;
    for (const version of await liveVersions(pool)) {
      if (this.#stopped.signal.aborted) return;
      // A view that this worker has no definition of, it cannot build.
      if (isRetired(version.semantics) && definitions.views.has(version.view)) await this.#tell(version);
    }
  }

  async #tell(version: ViewVersion): Promise<void> {
    const { deps, client, everyMs } = this.#options;
    const { pool, topicReader: reader, clock } = deps;
    const { view } = version;
    const noted =
      version.topic === null || reader === null
        ? null
        : await noteEnds({ pool, reader, view, version: version.version, freshMs: everyMs / 2 });
    const nowMs = clock.monotonicMs();
    const before = this.#told.get(view);
    const isKnown = before?.version === version.version;
    const isDue = !isKnown || nowMs >= before.atMs + before.waitMs;
    if (!isDue && noted?.isNews !== true) return;
    const waitMs = isKnown ? (isDue ? Math.min(MOST_RARELY_MS, before.waitMs * 2) : before.waitMs) : everyMs;
    const news: EngineNews = { semantics: ENGINE_SEMANTICS, lag: noted?.lag ?? null };
    try {
      await client.workflow.getHandle(featureWorkflowId(view)).signal(engineSignal, news);
    } catch (error) {
      // Served, and owned by nobody: there is nobody to tell.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    this.#told.set(view, { version: version.version, atMs: isDue ? nowMs : before.atMs, waitMs });
  }
}
