import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { archiveColumns } from './archive-columns.ts';
import { checkAnchors, claimArchive } from './archive-claim.ts';
import { archiveWriteError } from './archive-errors.ts';
import {
  type ArchiveHole,
  type ArchiveLimits,
  type ArchiveProgress,
  type ArchiveResult,
  DEFAULT_ARCHIVE_LIMITS,
  DEFAULT_ROLL,
  type RunArchiveOptions,
} from './archive-options.ts';
import { type ArchiveHost, ArchiveSession, type ArchiveSessionEnd } from './archive-session.ts';
import type { BufferedRange } from './archive-buffer.ts';
import { makeFolder } from './parquet-file.ts';
import { RateMeter } from '../log/rate-meter.ts';

/**
 * Copies a topic to Parquet, each offset exactly once: files of contiguous offset ranges, each counted in one transaction with the
 * partitions' offsets and the fencing token. Goes on until aborted, past its deadline, fenced by a newer token (`superseded`), or, with
 * `until: 'present-end'`, at the offsets that were the end when it began; what was read until then is still written.
 *
 * A database or a broker that is away is waited for (progress state `waiting`). Offsets the topic deleted before they were archived are
 * recorded as holes and reported. Throws MillraceError: `archive-full` (retryable), `archive-not-writable`, `topic-recreated`,
 * `topic-not-found`, `compacted-topic`, `source-without-topic`.
 *
 * @example
 * const result = await runArchive({ source, reader, pool, archiveDir: '/data/archive', until: 'forever', deadlineMs: 30 * 60_000, signal,
 *   clock: systemClock, fence: { generation: 7, attemptMs: scheduledMs, owner: 'worker-1' }, onProgress: (progress) => heartbeat(progress) });
 */
export async function runArchive(options: RunArchiveOptions): Promise<ArchiveResult> {
  return new ArchiveRun(options).run();
}

class ArchiveRun implements ArchiveHost {
  readonly #options: RunArchiveOptions;
  readonly #limits: ArchiveLimits;
  readonly #topic: string;
  readonly #startedMs: number;
  readonly #holes: ArchiveHole[] = [];
  #session: ArchiveSession | null = null;
  readonly #archivedUpTo = new Map<number, number>();
  readonly #topicEnds = new Map<number, number>();
  readonly #meter = new RateMeter();
  #ends: Map<number, number> | undefined;
  #claimed = false;
  #records = 0;
  #files = 0;
  #state: ArchiveProgress['state'] = 'claiming';
  #waitingFor: string | undefined;
  #progressFailure: unknown = null;

  constructor(options: RunArchiveOptions) {
    const { source, clock } = options;
    if (source.topic === null) {
      throw new MillraceError('source-without-topic', `source ${source.name} has no topic to archive`, {
        remedy: 'Give the source a topic; a history is archived already.',
      });
    }
    this.#options = options;
    this.#topic = source.topic;
    this.#limits = { ...DEFAULT_ARCHIVE_LIMITS, ...options.limits };
    this.#startedMs = clock.monotonicMs();
  }

  async run(): Promise<ArchiveResult> {
    const ticker = setInterval(() => this.#progress(), this.#limits.progressEveryMs);
    let duckdb: DuckDb | null = null;
    try {
      duckdb = await this.#openDuckDb();
      let failures = 0;
      for (;;) {
        if (this.stopping()) return this.#result('stopped');
        const before = this.#records;
        try {
          const end = await this.#claimAndRun(duckdb);
          if (end !== 'reclaim') return this.#result(end);
          failures = 0;
        } catch (error) {
          if (this.stopping() && isMillraceError(error) && error.retryable && error.code !== 'archive-full')
            return this.#result('stopped');
          if (!mayPass(error, failures)) throw error;
          failures = this.#records > before ? 1 : failures + 1;
          await this.#wait(error, failures);
        }
      }
    } finally {
      clearInterval(ticker);
      await duckdb?.close();
    }
  }

  stopping(): boolean {
    if (this.#progressFailure !== null) throw this.#progressFailure;
    return this.#options.signal?.aborted === true || this.leftMs() <= 0;
  }

  leftMs(): number {
    const { deadlineMs, clock } = this.#options;
    return deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - (clock.monotonicMs() - this.#startedMs);
  }

  archived(ranges: readonly BufferedRange[]): void {
    this.#files += 1;
    for (const { partition, rows, untilOffset, endOffset } of ranges) {
      this.#records += rows;
      this.#archivedUpTo.set(partition, untilOffset);
      this.#topicEnds.set(partition, endOffset);
    }
  }

  async #openDuckDb(): Promise<DuckDb> {
    const { archiveDir } = this.#options;
    const tempDir = join(archiveDir, '.spill');
    await makeFolder(tempDir);
    try {
      return await openDuckDb({ memoryMb: this.#limits.memoryMb, tempDir });
    } catch (error) {
      throw archiveWriteError(error, tempDir);
    }
  }

  async #claimAndRun(duckdb: DuckDb): Promise<ArchiveSessionEnd> {
    const { reader, source, until } = this.#options;
    this.#state = 'claiming';
    const bounds = await reader.bounds(this.#topic);
    await checkAnchors(this.#options, source.name, bounds);
    const claim = await claimArchive(this.#options, bounds, this.#claimed);
    if (claim === null) return 'superseded';
    this.#claimed = true;
    this.#holes.push(...claim.holes);
    for (const { partition, nextOffset, endOffset } of claim.partitions) {
      this.#archivedUpTo.set(partition, nextOffset);
      this.#topicEnds.set(partition, endOffset);
    }
    if (until === 'present-end')
      this.#ends ??= new Map(claim.partitions.map(({ partition, endOffset }) => [partition, endOffset]));
    const roll = { ...DEFAULT_ROLL, ...this.#options.roll };
    const columns = archiveColumns(source);
    this.#session = new ArchiveSession(this.#options, this.#limits, roll, claim, duckdb, columns, this);
    this.#state = 'running';
    this.#waitingFor = undefined;
    this.#progress();
    try {
      return await this.#session.run(this.#ends);
    } finally {
      this.#session = null;
    }
  }

  async #wait(error: MillraceError, failures: number): Promise<void> {
    this.#state = 'waiting';
    this.#waitingFor = error.message;
    this.#progress();
    const { retryMinMs, retryMaxMs } = this.#limits;
    const ms = Math.min(retryMinMs * 2 ** Math.min(failures - 1, 16), retryMaxMs, this.leftMs());
    // Rejects on abort only, and the loop looks at the signal next.
    await sleep(Math.max(ms, 0), undefined, { signal: this.#options.signal }).catch(() => undefined);
  }

  #progress(): void {
    const { clock, onProgress } = this.#options;
    for (const { partition, endOffset } of this.#session?.readOffsets() ?? [])
      this.#topicEnds.set(partition, endOffset);
    try {
      onProgress?.({
        records: this.#records,
        files: this.#files,
        buffered: this.#session?.buffered ?? 0,
        lag: this.#lag(),
        recordsPerSecond: this.#meter.rate(this.#records, clock.monotonicMs()),
        offsets: this.#offsets(),
        holes: this.#holes,
        state: this.#state,
        waitingFor: this.#waitingFor,
      });
    } catch (error) {
      this.#progressFailure = error;
    }
  }

  #offsets(): ArchiveProgress['offsets'] {
    return [...this.#archivedUpTo].map(([partition, nextOffset]) => ({
      partition,
      nextOffset,
      endOffset: Math.max(this.#topicEnds.get(partition) ?? 0, nextOffset),
    }));
  }

  #lag(): number {
    return this.#offsets().reduce((sum, { nextOffset, endOffset }) => sum + endOffset - nextOffset, 0);
  }

  #result(end: ArchiveSessionEnd): ArchiveResult {
    this.#progress();
    const stopped = this.#options.signal?.aborted === true ? 'aborted' : 'deadline';
    const ended = end === 'superseded' ? 'superseded' : end === 'read-all' ? 'present-end' : stopped;
    return { ended, records: this.#records, files: this.#files, lag: this.#lag(), holes: this.#holes };
  }
}

/** Whether to claim again: services come back, and what retention deleted the next claim records. */
function mayPass(error: unknown, failures: number): error is MillraceError {
  if (!isMillraceError(error) || error.code === 'archive-full') return false;
  return error.retryable || (isNotHeld(error) && failures < 3);
}
