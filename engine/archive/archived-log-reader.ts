import type pg from 'pg';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { LogBatch, LogReader, PartitionBounds, RawRecord, ReadOptions, TopicBounds } from '../topic/log-reader.ts';
import { checkAnchor } from '../topic/check-anchor.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { type IntakeWait, intakeMemory } from '../memory/intake-memory.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { processMemory } from '../memory/process-memory.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import { withClient, withTransaction } from '../postgres/transaction.ts';
import { archivedTopicRecreated, logHole, RECREATED_REMEDY } from './archive-errors.ts';
import type { AnchorRow } from './archive-claim.ts';
import { ArchiveManifest, archiveFiles, archiveRanges, manifestStamp, NO_FILES } from './archive-manifest.ts';
import { type ArchiveAccess, archivedRecordAt, readArchiveFile, type WantedRange } from './archived-records.ts';

export interface WithArchiveOptions {
  readonly pool: pg.Pool;
  readonly archiveDir: string;
  /** Folder for DuckDB's own files. */
  readonly duckdbTempDir: string;
  /** What is reserved from while records are on their way in. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
}

/**
 * A log reader whose topics reach back as far as archive and topic together do without a gap. Offsets the topic no longer holds are read
 * from the archive, then the read goes on with the topic; the records are the same bytes. `close` closes `reader`, too.
 *
 * Beside what `reader` throws: `log-hole` (offsets that neither has), `archive-file-missing`, `archive-file-damaged`, `topic-recreated`.
 *
 * @example
 * const reader = withArchive(createKafkaLogReader({ brokers, clientId: 'millrace' }), { pool, archiveDir, duckdbTempDir });
 */
export function withArchive(reader: LogReader, options: WithArchiveOptions): LogReader {
  return new ArchivedLogReader(reader, options);
}

/** What is archived of a topic, and what the topic holds itself. */
interface Extent {
  readonly manifest: ArchiveManifest;
  readonly bounds: TopicBounds;
}

class ArchivedLogReader implements LogReader {
  readonly #reader: LogReader;
  readonly #options: WithArchiveOptions;
  readonly #memory: MemoryBudget;
  readonly #manifests = new Map<string, { readonly stamp: string; readonly manifest: ArchiveManifest }>();
  /** Anchors that the topic was seen to hold. */
  readonly #seen = new Set<string>();
  #duckdb: Promise<DuckDb> | null = null;

  constructor(reader: LogReader, options: WithArchiveOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#memory = options.memory ?? processMemory();
  }

  async bounds(topic: string): Promise<TopicBounds> {
    const stamp = await this.#stamp(topic);
    const bounds = await this.#reader.bounds(topic);
    if (bounds.partitions.every(({ lowOffset }) => lowOffset === 0)) return bounds;
    const manifest = await this.#manifest(topic, bounds.clusterId, stamp);
    if (manifest.isEmpty) return bounds;
    const reaching = bounds.partitions.map((held) => ({
      ...held,
      lowOffset: manifest.reachBack(held.partition, held.lowOffset),
    }));
    const extended = bounds.partitions.filter((held, index) => reaching[index]!.lowOffset < held.lowOffset);
    await this.#checkSameTopic(bounds, extended);
    return { ...bounds, partitions: reaching };
  }

  async *read(options: ReadOptions): AsyncGenerator<LogBatch> {
    const { topic, ends, signal, onWait } = options;
    const positions = new Map(options.positions);
    const endOf = (partition: number): number =>
      ends === undefined
        ? Number.POSITIVE_INFINITY
        : (ends.get(partition) ?? options.positions.get(partition) ?? Number.NEGATIVE_INFINITY);
    let extent = options.headers === true ? null : await this.#extent(topic);
    for (;;) {
      const open = [...positions].filter(([partition, position]) => position < endOf(partition));
      if (signal?.aborted || (open.length === 0 && ends !== undefined)) return;
      const behind = extent === null ? [] : behindTopic(extent.bounds, open);
      if (extent !== null && behind.length > 0) {
        await this.#checkSameTopic(
          extent.bounds,
          extent.bounds.partitions.filter(({ partition }) => behind.some(([each]) => each === partition)),
        );
        yield* this.#readFile(extent, topic, behind, endOf, positions, { signal, onWait });
        extent = await this.#extent(topic);
        continue;
      }
      try {
        for await (const batch of this.#reader.read({ ...options, positions: new Map(open) })) {
          positions.set(batch.partition, batch.nextOffset);
          yield batch;
        }
        return;
      } catch (error) {
        if (!isMillraceError(error) || !isNotHeld(error) || options.headers === true) throw error;
        // Deleted while we read: perhaps archived meanwhile.
        extent = await this.#extent(topic);
        const still = [...positions].filter(([partition, position]) => position < endOf(partition));
        if (extent === null || behindTopic(extent.bounds, still).length === 0) throw error;
      }
    }
  }

  async recordAt(topic: string, partition: number, offset: number): Promise<RawRecord | null> {
    const record = await this.#reader.recordAt(topic, partition, offset);
    if (record !== null) return record;
    for (let attempt = 0; ; attempt++) {
      const extent = await this.#extent(topic);
      const held = extent?.bounds.partitions.find((each) => each.partition === partition);
      const range = held === undefined || held.lowOffset <= offset ? null : extent!.manifest.rangeAt(partition, offset);
      if (range === null) return null;
      await this.#checkSameTopic(extent!.bounds, [held!]);
      try {
        return await archivedRecordAt(await this.#access(topic), range, offset);
      } catch (error) {
        if (attempt > 0 || !(await this.#wasReplaced(error, topic, range.file.id))) throw error;
      }
    }
  }

  reportOffsets(groupId: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void> {
    return this.#reader.reportOffsets(groupId, topic, offsets);
  }

  async close(): Promise<void> {
    const duckdb = this.#duckdb;
    this.#duckdb = null;
    await (await duckdb)?.close();
    await this.#reader.close();
  }

  /** One file's part of what is behind, and of all the other partitions that are behind and in it. */
  async *#readFile(
    { manifest, bounds }: Extent,
    topic: string,
    behind: readonly (readonly [number, number])[],
    endOf: (partition: number) => number,
    positions: Map<number, number>,
    wait: IntakeWait,
  ): AsyncGenerator<LogBatch> {
    const { signal } = wait;
    const [[partition, position]] = behind as [readonly [number, number]];
    const first = manifest.rangeAt(partition, position);
    if (first === null) throw await this.#hole(manifest, bounds, partition, position);
    const wanted: WantedRange[] = [];
    for (const [each, from] of behind) {
      const range = manifest.rangeAt(each, from);
      if (range?.file.id !== first.file.id) continue;
      const endOffset = bounds.partitions.find((held) => held.partition === each)?.endOffset ?? range.untilOffset;
      wanted.push({ range, fromOffset: from, untilOffset: Math.min(range.untilOffset, endOf(each)), endOffset });
    }
    try {
      for await (const batch of readArchiveFile(await this.#access(topic, wait), wanted)) {
        if (signal?.aborted) return;
        positions.set(batch.partition, batch.nextOffset);
        yield batch;
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (!(await this.#wasReplaced(error, topic, first.file.id))) throw error;
    }
  }

  /** Whether a file is missing because it was merged into another meanwhile: then its records are there. */
  async #wasReplaced(error: unknown, topic: string, fileId: number): Promise<boolean> {
    if (!isMillraceError(error) || error.code !== 'archive-file-missing') return false;
    this.#manifests.delete(topic);
    const { rows } = await this.#query(sqlText`SELECT 1 FROM ${CATALOG}.archive_file WHERE id = ${fileId}`);
    return rows.length === 0;
  }

  async #hole(manifest: ArchiveManifest, bounds: TopicBounds, partition: number, position: number): Promise<Error> {
    const { topic } = bounds;
    const low = bounds.partitions.find((held) => held.partition === partition)?.lowOffset ?? position;
    const untilOffset = Math.min(manifest.nextAfter(partition, position) ?? low, low);
    const { rows } = await this.#query<{ reason: string }>(
      sqlText`
      SELECT reason FROM ${CATALOG}.archive_hole
      WHERE topic = ${topic} AND partition = ${partition} AND from_offset <= ${position} AND until_offset > ${position}`,
    );
    return logHole({ topic, partition, fromOffset: position, untilOffset }, rows[0]?.reason ?? null);
  }

  /** Null where nothing is archived of the topic as it is now. */
  async #extent(topic: string): Promise<Extent | null> {
    const stamp = await this.#stamp(topic);
    if (stamp === NO_FILES) return null;
    // The manifest's stamp first: an archiver is never ahead of the ends read after it.
    const bounds = await this.#reader.bounds(topic);
    const manifest = await this.#manifest(topic, bounds.clusterId, stamp);
    return manifest.isEmpty ? null : { manifest, bounds };
  }

  async #stamp(topic: string): Promise<string> {
    return withClient(this.#options.pool, (client) => manifestStamp(client, topic));
  }

  async #manifest(topic: string, clusterId: string, stamp: string): Promise<ArchiveManifest> {
    const key = `${stamp} ${clusterId}`;
    const known = this.#manifests.get(topic);
    if (known?.stamp === key) return known.manifest;
    const manifest = await withTransaction(
      this.#options.pool,
      async (client) => new ArchiveManifest(await archiveRanges(client, await archiveFiles(client, topic, clusterId))),
      { isolation: 'repeatable read' },
    );
    this.#manifests.set(topic, { stamp: key, manifest });
    return manifest;
  }

  /** Before archived records are put before the topic's: it must be the topic that was archived. Throws `topic-recreated`. */
  async #checkSameTopic(bounds: TopicBounds, extended: readonly PartitionBounds[]): Promise<void> {
    if (extended.length === 0) return;
    const { topic, clusterId } = bounds;
    const { rows } = await this.#query<AnchorRow & { next_offset: number; source: string }>(
      sqlText`
      SELECT source, partition, next_offset, anchor_offset, anchor_digest FROM ${CATALOG}.archive_offset
      WHERE topic = ${topic} AND cluster_id = ${clusterId} AND anchor_offset IS NOT NULL`,
    );
    for (const anchor of rows) {
      const held = extended.find(({ partition }) => partition === anchor.partition);
      if (held === undefined || anchor.anchor_offset < held.lowOffset) continue;
      const key = `${topic} ${anchor.partition} ${anchor.anchor_offset}`;
      if (anchor.anchor_offset >= held.endOffset) {
        // The archiver may have moved on since the bounds were read.
        const now = (await this.#reader.bounds(topic)).partitions.find(
          ({ partition }) => partition === anchor.partition,
        );
        if ((now?.endOffset ?? 0) <= anchor.anchor_offset)
          throw archivedTopicRecreated(
            `${topic}, partition ${anchor.partition}: archived up to ${anchor.next_offset}, and the topic now ends at ${now?.endOffset ?? 0}`,
          );
      }
      if (this.#seen.has(key)) continue;
      const { partition, anchor_offset: offset, anchor_digest: digest } = anchor;
      await checkAnchor({ reader: this.#reader, topic, partition, held }, { offset, digest }, RECREATED_REMEDY);
      this.#seen.add(key);
    }
  }

  /** With the names of what can go wrong: a reader's callers wait for a database that is away, and end at what they do not know. */
  #query<Row extends pg.QueryResultRow>(query: SqlText): Promise<pg.QueryResult<Row>> {
    return withClient(this.#options.pool, (client) => runSql<Row>(client, query));
  }

  async #access(topic: string, wait: IntakeWait = {}): Promise<ArchiveAccess> {
    const { archiveDir, duckdbTempDir: tempDir } = this.#options;
    this.#duckdb ??= openDuckDb({ memory: this.#memory, tempDir });
    return { duckdb: await this.#duckdb, archiveDir, topic, intake: intakeMemory(this.#memory), ...wait };
  }
}

/** The partitions whose position the topic no longer holds. */
function behindTopic(bounds: TopicBounds, open: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const lows = new Map(bounds.partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  return open.filter(([partition, position]) => position < (lows.get(partition) ?? 0));
}
