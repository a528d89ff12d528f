import type pg from 'pg';
import type { LogCounts } from '../admission/log-counts.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { LogScan } from '../log/scan-log.ts';
import { insertDeadLetters } from '../postgres/dead-letters.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { Clock } from '../values/clock.ts';
import { type HeldVersion, holdVersion } from './build-attempt.ts';
import { addIds, type SavedPoint, stretchOf, writePoint } from './saved-progress.ts';
import { copySavedStates, emptySavedStates } from './saved-states.ts';
import type { StateBuffer } from './state-buffer.ts';

/** How often a backfill saves what it has done. */
export interface SavePace {
  /** At most that often. */
  readonly everyMs: number;
  /** Not before this many times what the last saving took: it costs that part of the whole, at most. */
  readonly restFactor: number;
  /** Whether it saves once more when it is told to end. Default true; false for tests, as if it were killed. */
  readonly whenStopped?: boolean | undefined;
}

/** A minute of work may be lost where a worker is killed; more only where saving takes longer than 3 s: then it costs a twentieth. */
export const SAVE_PACE: SavePace = { everyMs: 60_000, restFactor: 20 };

export interface SaverOptions extends HeldVersion {
  readonly pool: pg.Pool;
  readonly stateTable: string;
  readonly source: string;
  readonly states: StateBuffer;
  readonly clock: Clock;
  readonly pace: SavePace;
}

/** Saves what a backfill has done, between two batches: states, ids, dead letters and the place in the log in one transaction. */
export class ProgressSaver {
  readonly #options: SaverOptions;
  #dueMs: number;
  /** Spills from here on are not saved yet. */
  #fromSpill: number;
  /** Rows passed when it saved last; null before. */
  savedRows: number | null = null;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#dueMs = options.clock.monotonicMs() + options.pace.everyMs;
    this.#fromSpill = options.states.spills;
  }

  /** Whether it is to save when it is told to end. */
  get savesWhenStopped(): boolean {
    return this.#options.pace.whenStopped ?? true;
  }

  /** To be asked between two batches. */
  get isDue(): boolean {
    return this.#options.clock.monotonicMs() >= this.#dueMs;
  }

  /**
   * Throws MillraceError `backfill-superseded`.
   *
   * @param counts What the view made of the events so far, the states' own part included.
   * @param letters Invalid records that are not in the database yet.
   */
  async save(scan: LogScan, counts: LogCounts, letters: readonly InvalidRecord[]): Promise<void> {
    const { pool, view, version, stateTable, source, states, clock, pace } = this.#options;
    const beganMs = clock.monotonicMs();
    const { point: log, newIds } = scan.point();
    const point: SavedPoint = { log, counts, position: states.position };
    const stretch = stretchOf(point);
    await withTransaction(pool, async (client) => {
      await holdVersion(client, this.#options);
      await insertDeadLetters(
        client,
        letters.map((letter) => ({ view, version, source, ...letter })),
      );
      await emptySavedStates(client, stateTable, 'held');
      if (states.spills > this.#fromSpill)
        await copySavedStates(client, stateTable, 'parts', states.spilled(this.#fromSpill, stretch));
      await copySavedStates(client, stateTable, 'held', states.held(stretch));
      await addIds(client, view, version, newIds);
      await writePoint(client, view, version, point);
    });
    this.#fromSpill = states.spills;
    const endedMs = clock.monotonicMs();
    this.#dueMs = endedMs + Math.max(pace.everyMs, (endedMs - beganMs) * pace.restFactor);
  }
}
