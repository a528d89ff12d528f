import { join } from 'node:path';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { processMemory } from '../memory/process-memory.ts';
import type { MillraceError } from '../errors/millrace-error.ts';
import { type SessionEnd, SlicedRun, type SliceWork } from '../slice/sliced-run.ts';
import { lagOf, type SliceOffset, type SliceProgress } from '../slice/slice-options.ts';
import type { PartitionEnds } from '../topic/log-reader.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { topicOf } from '../topic/topic-of.ts';
import type { BufferedRange } from './archive-buffer.ts';
import { openArchiveFolder } from './archive-mark.ts';
import { checkAnchors, claimArchive } from './archive-claim.ts';
import { archiveColumns } from './archive-columns.ts';
import { archiveWriteError } from './archive-errors.ts';
import { ArchiveMemory, archiveWaits } from './archive-memory.ts';
import {
  type ArchiveHole,
  type ArchiveLimits,
  type ArchiveResult,
  DEFAULT_ARCHIVE_LIMITS,
  DEFAULT_ROLL,
  type RunArchiveOptions,
} from './archive-options.ts';
import { type ArchiveHost, ArchiveSession } from './archive-session.ts';
import { makeFolder } from './make-folder.ts';

/**
 * Copies a topic to Parquet, each offset exactly once: files of contiguous offset ranges, each counted in one transaction with the
 * partitions' offsets and the fencing token. Goes on until aborted, past its deadline, fenced by a newer token (`superseded`), or, with
 * `until: 'present-end'`, at the offsets that were the end when it began; what was read until then is still written.
 *
 * A database, a broker or a disk that is away or full is waited for (progress state `waiting`). Offsets the topic deleted before they were
 * archived are recorded as holes and reported. Throws MillraceError: `archive-not-writable`, `topic-recreated`,
 * `topic-not-found`, `compacted-topic`, `source-without-topic`, `memory-limit-too-small`.
 *
 * @example
 * const result = await runArchive({ source, reader, pool, archiveDir: '/data/archive', until: 'forever', deadlineMs: 30 * 60_000, signal,
 *   clock: systemClock, fence: { generation: 7, attemptMs: scheduledMs, owner: 'worker-1' }, onProgress: (progress) => heartbeat(progress) });
 */
export async function runArchive(options: RunArchiveOptions): Promise<ArchiveResult> {
  return new ArchiveRun(options).run();
}

class ArchiveRun implements SliceWork, ArchiveHost {
  records = 0;
  readonly #options: RunArchiveOptions;
  readonly #memory: MemoryBudget;
  readonly #limits: ArchiveLimits;
  readonly topic: string;
  readonly #slice: SlicedRun;
  readonly #holes: ArchiveHole[] = [];
  readonly #archivedUpTo = new Map<number, number>();
  readonly #topicEnds = new Map<number, PartitionEnds>();
  #duckdb: DuckDb | null = null;
  #session: ArchiveSession | null = null;
  #files = 0;
  /** Of the largest record that there was no room for. */
  #recordBytes = 0;

  constructor(options: RunArchiveOptions) {
    this.#options = options;
    this.#memory = options.memory ?? processMemory();
    this.topic = topicOf(options.source, 'to archive');
    this.#limits = { ...DEFAULT_ARCHIVE_LIMITS, ...options.limits };
    this.#slice = new SlicedRun(options, this.#limits, this);
  }

  async run(): Promise<ArchiveResult> {
    try {
      const ended = await this.#slice.run();
      return {
        ended,
        records: this.records,
        files: this.#files,
        lag: lagOf(this.offsets()),
        holes: this.#holes,
        waiting: this.#slice.waiting,
      };
    } finally {
      await this.#duckdb?.close();
    }
  }

  stopping(): boolean {
    return this.#slice.stopping();
  }

  leftMs(): number {
    return this.#slice.leftMs();
  }

  archived(ranges: readonly BufferedRange[]): void {
    this.#files += 1;
    for (const { partition, rows, untilOffset } of ranges) {
      this.records += rows;
      this.#archivedUpTo.set(partition, untilOffset);
    }
  }

  needsRoom(recordBytes: number): void {
    this.#recordBytes = Math.max(this.#recordBytes, recordBytes);
  }

  readWaits(text: string | null): void {
    this.#slice.readWaits(text === null ? null : archiveWaits(this.#options.source.name, text));
  }

  async claimAndRun(): Promise<SessionEnd> {
    const { reader, source } = this.#options;
    const isStillThere = await openArchiveFolder(this.#options.pool, this.#options.archiveDir);
    const duckdb = (this.#duckdb ??= await this.#openDuckDb());
    const bounds = await reader.bounds(this.topic);
    await checkAnchors(this.#options, source.name, bounds);
    const claim = await claimArchive(this.#options, bounds, this.#slice.hasClaimed);
    if (claim === null) return 'superseded';
    const ends = this.#slice.claimed(claim.partitions);
    this.#holes.push(...claim.holes);
    for (const { partition, nextOffset, ...ends } of claim.partitions) {
      this.#archivedUpTo.set(partition, nextOffset);
      this.#topicEnds.set(partition, ends);
    }
    const roll = { ...DEFAULT_ROLL, ...this.#options.roll };
    const columns = archiveColumns(source);
    const memory = await this.#reserve();
    try {
      const session = new ArchiveSession(
        this.#options,
        this.#limits,
        roll,
        claim,
        duckdb,
        columns,
        memory,
        this,
        isStillThere,
      );
      this.#session = session;
      this.#slice.working();
      this.#slice.report();
      return await session.run(ends);
    } finally {
      memory.release();
      for (const { partition, nextOffset: _, ...ends } of this.offsets()) this.#topicEnds.set(partition, ends);
      this.#session = null;
    }
  }

  offsets(): SliceOffset[] {
    const read = new Map(this.#session?.readOffsets().map((offset) => [offset.partition, offset]));
    return [...this.#archivedUpTo].map(([partition, nextOffset]) => {
      const { endOffset = 0, highWatermark, heldBy } = read.get(partition) ?? this.#topicEnds.get(partition) ?? {};
      return { partition, nextOffset, endOffset: Math.max(endOffset, nextOffset), highWatermark, heldBy };
    });
  }

  report(progress: SliceProgress): void {
    const { onProgress } = this.#options;
    onProgress?.({ ...progress, files: this.#files, buffered: this.#session?.buffered ?? 0, holes: this.#holes });
  }

  /** Services and disks come back, and what retention deleted the next claim records. */
  failuresAfter(error: MillraceError, failures: number, progressed: boolean): number | null {
    return error.retryable || (isNotHeld(error) && failures < 3) ? (progressed ? 1 : failures + 1) : null;
  }

  #reserve(): Promise<ArchiveMemory> {
    const { name } = this.#options.source;
    return this.#slice.waitTurn((signal, waits) =>
      ArchiveMemory.reserve(this.#memory, `archive of ${name}`, this.#recordBytes, {
        signal,
        onWait: (text) => waits(archiveWaits(name, text)),
      }),
    );
  }

  async #openDuckDb(): Promise<DuckDb> {
    const { archiveDir } = this.#options;
    const tempDir = join(archiveDir, '.spill');
    await makeFolder(tempDir);
    try {
      return await openDuckDb({ memory: this.#memory, tempDir });
    } catch (error) {
      throw archiveWriteError(error, tempDir);
    }
  }
}
