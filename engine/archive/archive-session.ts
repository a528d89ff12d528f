import { setTimeout as sleep } from 'node:timers/promises';
import { isMillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, nameDuckDbError } from '../duckdb/duckdb.ts';
import type { SessionEnd } from '../slice/sliced-run.ts';
import type { LogBatch, PartitionBounds } from '../topic/log-reader.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { ArchiveBuffer, type BufferedRange, type StartOffset } from './archive-buffer.ts';
import type { ArchiveClaim } from './archive-claim.ts';
import type { ArchiveColumn } from './archive-columns.ts';
import { type ArchiveMemory, archiveWaits, largestOf } from './archive-memory.ts';
import type { ArchiveLimits, RollLimits, RunArchiveOptions } from './archive-options.ts';
import { commitArchive } from './commit-archive.ts';
import { SourceMonitor } from './source-monitor.ts';
import { publishDraft, removeFile, writeDraft } from './parquet-file.ts';

/** What the session tells its run, and asks it. */
export interface ArchiveHost {
  /** True when the run is to end (abort, deadline). */
  stopping(): boolean;
  /** Monotonic ms left until the deadline. */
  leftMs(): number;
  archived(ranges: readonly BufferedRange[]): void;
  /** There was no room for a record of so many bytes: the next claim is to begin with it. */
  needsRoom(recordBytes: number): void;
  /** The read waits for memory, as the text says; null: it goes on. */
  readWaits(text: string | null): void;
}

type RollOutcome = { readonly ok: boolean } | { readonly error: unknown };

/** The loop while one claim stands: reads, and writes one file while the next one's records come in. */
export class ArchiveSession {
  readonly #options: RunArchiveOptions;
  readonly #limits: ArchiveLimits;
  readonly #roll: RollLimits;
  readonly #claim: ArchiveClaim;
  readonly #duckdb: DuckDb;
  readonly #columns: readonly ArchiveColumn[];
  readonly #memory: ArchiveMemory;
  readonly #host: ArchiveHost;
  readonly #checkFolder: () => Promise<void>;
  readonly #newId: () => string;
  readonly #monitor: SourceMonitor;
  #buffer: ArchiveBuffer | null = null;
  #offsets: StartOffset[];
  #rolling: Promise<RollOutcome> | null = null;
  /** A file failed, or a batch was taken in by half: what was read after it has nothing to follow on, and is read again. */
  #isBroken = false;
  #boundsAtMs: number;
  #partitionCount: number;
  #lookingUp: Promise<void> | null = null;

  constructor(
    options: RunArchiveOptions,
    limits: ArchiveLimits,
    roll: RollLimits,
    claim: ArchiveClaim,
    duckdb: DuckDb,
    columns: readonly ArchiveColumn[],
    memory: ArchiveMemory,
    host: ArchiveHost,
    /** Throws where the archive's disk is not mounted. */
    checkFolder: () => Promise<void>,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#roll = roll;
    this.#claim = claim;
    this.#duckdb = duckdb;
    this.#columns = columns;
    this.#memory = memory;
    this.#host = host;
    this.#checkFolder = checkFolder;
    this.#monitor = new SourceMonitor(options);
    this.#newId = options.newId ?? (() => crypto.randomUUID());
    this.#offsets = claim.partitions.map((partition) => ({ ...partition }));
    this.#boundsAtMs = options.clock.monotonicMs();
    this.#partitionCount = claim.partitions.length;
  }

  get buffered(): number {
    return this.#buffer?.rows ?? 0;
  }

  /** How far was read, which is further than what is archived by what is buffered. */
  readOffsets(): StartOffset[] {
    return this.#buffer?.offsets() ?? this.#offsets;
  }

  async run(ends: ReadonlyMap<number, number> | undefined): Promise<SessionEnd> {
    try {
      const end = await this.#read(ends);
      return (await this.#rollRest()) ? end : 'superseded';
    } catch (error) {
      if (this.#isBroken || !isMillraceError(error) || !(isNotHeld(error) || error.retryable)) throw error;
      // What was read until then is whole: it is archived first.
      if (!(await this.#rollRest())) return 'superseded';
      throw error;
    } finally {
      await this.#lookingUp;
      await this.#rolling;
      this.#dropBuffer();
    }
  }

  async #read(ends: ReadonlyMap<number, number> | undefined): Promise<SessionEnd> {
    const { reader, signal, source, failAt } = this.#options;
    const stop = new AbortController();
    const onAbort = (): void => stop.abort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const positions = new Map(this.#offsets.map(({ partition, nextOffset }) => [partition, nextOffset]));
    const headers = (source.headers?.length ?? 0) > 0;
    const { topic } = this.#claim;
    const batches = reader
      .read({ topic, positions, ends, headers, signal: stop.signal, onWait: (text) => this.#host.readWaits(text) })
      [Symbol.asyncIterator]();
    let pending: Promise<IteratorResult<LogBatch>> | null = null;
    try {
      for (;;) {
        if (this.#host.stopping()) return 'stopped';
        if (this.#partitionCount > this.#claim.partitions.length && ends === undefined) return 'reclaim';
        if (this.#isFull()) {
          if (!(await this.#rollNow())) return 'superseded';
          continue;
        }
        pending ??= batches.next();
        const got = await this.#orTimeout(pending);
        if (got === null) continue;
        pending = null;
        if (got.done === true) return this.#host.stopping() ? 'stopped' : 'read-all';
        await failAt?.('after-fetch');
        await this.#take(got.value);
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      stop.abort();
      await pending?.catch(() => undefined); // its failure no longer matters: nothing more is read
      await batches.return?.().catch(() => undefined);
    }
  }

  /** Takes a batch in. What it held of memory is given back: its records are copied. */
  async #take(batch: LogBatch): Promise<void> {
    try {
      if (!this.#memory.makeRoom(batch.records)) {
        const largest = largestOf(batch.records);
        this.#host.needsRoom(largest);
        throw archiveWaits(this.#options.source.name, `waiting for room for a record of ${largest} bytes`);
      }
      const buffer = await this.#openBuffer();
      try {
        buffer.add(batch);
      } catch (error) {
        // A part of the batch may be in it, which its ranges do not tell.
        this.#isBroken = true;
        throw nameDuckDbError(error);
      }
    } finally {
      batch.memory?.release();
    }
  }

  /** The next batch; null when there is something else to look at first: the deadline, a buffer's age, the topic's partitions. */
  async #orTimeout(pending: Promise<IteratorResult<LogBatch>>): Promise<IteratorResult<LogBatch> | null> {
    const now = this.#options.clock.monotonicMs();
    this.#lookUpBounds(now);
    const age = this.#buffer === null ? Number.POSITIVE_INFINITY : this.#buffer.startedMs + this.#roll.ageMs - now;
    const ms = Math.min(age, this.#host.leftMs(), this.#boundsAtMs + this.#limits.boundsEveryMs - now);
    const over = new AbortController();
    try {
      return await Promise.race([
        pending,
        sleep(Math.max(ms, 1), null, { signal: over.signal }).catch(() => null), // rejects when the batch was first
      ]);
    } finally {
      over.abort();
    }
  }

  #lookUpBounds(nowMs: number): void {
    if (this.#lookingUp !== null || nowMs - this.#boundsAtMs < this.#limits.boundsEveryMs) return;
    this.#boundsAtMs = nowMs;
    this.#lookingUp = this.#options.reader
      .bounds(this.#claim.topic)
      .then(
        ({ partitions }) => {
          this.#partitionCount = partitions.length;
          this.#look(partitions);
        },
        () => undefined, // the read meets the same broker and tells
      )
      .finally(() => {
        this.#lookingUp = null;
      });
  }

  /** A read that is given nothing tells of no end: behind an open transaction the topic grows all the same. */
  #look(partitions: readonly PartitionBounds[]): void {
    const ends = new Map(
      partitions.map(({ partition, endOffset, highWatermark, heldBy }) => [
        partition,
        { endOffset, highWatermark, heldBy },
      ]),
    );
    for (const [partition, each] of ends) this.#buffer?.look(partition, each);
    this.#offsets = this.#offsets.map((offset) => ({ ...offset, ...ends.get(offset.partition) }));
  }

  #isFull(): boolean {
    const buffer = this.#buffer;
    if (buffer === null) return false;
    const { rows, bytes, ageMs } = this.#roll;
    if (buffer.rows >= rows || buffer.bytes >= Math.min(bytes, this.#memory.mostFileBytes)) return true;
    if (buffer.staged.isEnough) return true;
    return this.#options.clock.monotonicMs() - buffer.startedMs >= ageMs;
  }

  async #openBuffer(): Promise<ArchiveBuffer> {
    if (this.#buffer !== null) return this.#buffer;
    const staged = this.#memory.stage();
    try {
      this.#buffer = await ArchiveBuffer.open(
        this.#duckdb,
        this.#options.source.contract,
        this.#columns,
        this.#offsets,
        this.#options.clock.monotonicMs(),
        staged,
        this.#monitor.gather(),
      );
    } catch (error) {
      staged.release();
      throw error;
    }
    return this.#buffer;
  }

  /** Hands the buffer over to be written, once the one before is. False when that was superseded. */
  async #rollNow(): Promise<boolean> {
    if (!(await this.#settled())) return false;
    const buffer = this.#buffer;
    if (buffer === null) return true;
    this.#buffer = null;
    this.#offsets = buffer.offsets();
    this.#rolling = this.#write(buffer).then(
      (ok) => ({ ok }),
      (error: unknown) => ({ error }),
    );
    return true;
  }

  async #rollRest(): Promise<boolean> {
    return (await this.#rollNow()) && (await this.#settled());
  }

  async #settled(): Promise<boolean> {
    const outcome = await this.#rolling;
    this.#rolling = null;
    if (outcome === null) return true;
    if ('error' in outcome) {
      this.#isBroken = true;
      throw outcome.error;
    }
    return outcome.ok;
  }

  async #write(buffer: ArchiveBuffer): Promise<boolean> {
    const { source, archiveDir, clock, failAt } = this.#options;
    const { topic, clusterId, mark } = this.#claim;
    const ranges = buffer.ranges();
    try {
      // At once: the next buffer's records are not to be among them.
      const told = buffer.told();
      buffer.seal();
      if (ranges.length === 0) return true;
      const path = archivePath(source.name, mark, clock.nowUs(), this.#newId());
      const held = ranges.map(({ partition, fromOffset, untilOffset, rows }) => ({
        partition,
        fromOffset,
        untilOffset,
        rows,
      }));
      const metadata = { source: source.name, topic, clusterId, ranges: held };
      await this.#checkFolder();
      const file = await writeDraft(this.#duckdb, archiveDir, path, buffer.select(), metadata);
      await failAt?.('after-write');
      await publishDraft(file);
      await failAt?.('after-rename');
      const ok = await commitArchive(this.#options, this.#claim, file, ranges, told);
      if (ok) this.#host.archived(ranges);
      else await removeFile(archiveDir, path);
      if (ok) await this.#monitor.fold();
      return ok;
    } finally {
      buffer.staged.release();
      await this.#duckdb.run(`DROP TABLE ${buffer.table}`);
    }
  }

  #dropBuffer(): void {
    // Its table goes with the database.
    this.#buffer?.staged.release();
    this.#buffer?.seal();
    this.#buffer = null;
  }
}

/** `flights/1f2e3d4c-20261123T130501Z-<id>.parquet` */
export function archivePath(folder: string, mark: string, nowUs: number, id: string): string {
  const stamp = new Date(nowUs / 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${folder}/${mark}-${stamp}-${id}.parquet`;
}
