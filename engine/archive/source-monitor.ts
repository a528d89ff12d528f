import type pg from 'pg';
import type { Clock } from '../values/clock.ts';
import type { CompiledSource } from '../define/compiled-view.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { latestUs } from '../monitors/bucket-time.ts';
import { foldMonitors } from '../monitors/fold-parts.ts';
import { fieldLexicons, RecordGatherer } from '../monitors/gather-records.ts';
import { DEFAULT_MONITOR_BYTES } from '../monitors/monitor-budget.ts';

interface SourceMonitorOptions {
  readonly source: CompiledSource;
  readonly pool: pg.Pool;
  readonly clock: Clock;
}

/** The monitors of the source that an archiver reads. */
export class SourceMonitor {
  readonly #source: CompiledSource;
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #lexicons: ReturnType<typeof fieldLexicons> | null;

  constructor({ source, pool, clock }: SourceMonitorOptions) {
    this.#clock = clock;
    this.#source = source;
    this.#pool = pool;
    this.#lexicons = source.monitorBytes === 0 ? null : fieldLexicons(source);
  }

  /** For the next file; the one before is told by then. Null: the source is not monitored. */
  gather(): RecordGatherer | null {
    return this.#lexicons === null
      ? null
      : new RecordGatherer(this.#source, {
          lexicons: this.#lexicons,
          latestUs: latestUs(this.#clock),
        });
  }

  /** Puts what was committed where readers see it. What hinders it is met again, and told, by who tends the archive: records are archived all the same. */
  async fold(): Promise<void> {
    if (this.#lexicons === null) return;
    try {
      await foldSourceMonitors(this.#pool, this.#source);
    } catch (error) {
      if (!isMillraceError(error)) throw error;
    }
  }
}

/** Folds what was archived of a source into its monitors' buckets. */
export async function foldSourceMonitors(
  pool: pg.Pool,
  { name, monitorBytes = DEFAULT_MONITOR_BYTES }: CompiledSource,
  signal?: AbortSignal,
): Promise<void> {
  if (monitorBytes > 0) await foldMonitors({ pool, source: name, budgetBytes: monitorBytes, signal });
}
