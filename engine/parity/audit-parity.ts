import { setImmediate as turn } from 'node:timers/promises';
import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import { isRetired } from '../define/semantics.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { scanLog } from '../log/scan-log.ts';
import { lastProof, proofText } from '../postgres/last-proof.ts';
import { insertAudit, LOST_COMMIT, type ParityVerdict, pruneAudits } from '../postgres/parity-audits.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import { historyOf, learnHashes } from '../replay/version-history.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { scanCommits } from '../replay/scan-commits.ts';
import { scanServedReads } from '../served/scan-served-reads.ts';
import { kafkaNotConfigured } from '../topic/topic-errors.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { StateInspector } from '../state/inspect-state.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import { type AuditHeap, auditHeap, LEAST_AUDIT_MEMORY } from './audit-memory.ts';
import type { AuditOptions, AuditProgress, AuditResult } from './audit-types.ts';
import { type AuditedEntity, auditedEntity } from './audited-entity.ts';
import { diagnoseEntity, type UnnumberedDifference } from './diagnose-entity.ts';
import { EntityCase, WorkBudget } from './entity-case.ts';
import { collectEvents } from './entity-events.ts';
import {
  auditedVersion,
  countStates,
  type LiveSnapshot,
  readSnapshot,
  servedVersion,
  stateBytes,
} from './live-snapshot.ts';
import { UNREPLAYABLE } from './unreplayable.ts';
import { EntityReplay, type SequencedEvents } from './replay-entities.ts';
import { type SampledEntity, SEMANTICS_RETIRED, ServedSample, skip } from './served-sample.ts';
import { toldReads } from './told-reads.ts';

const DEFAULT_READS = 100_000;
const DEFAULT_ENTITIES = { audit: 10_000, promotion: 200_000 } as const;
const DEFAULT_DIFFERENCES = 100;
/** Versions before the live one whose reads are replayed: each costs a scan of the log. */
const MAX_OLDER_VERSIONS = 3;
/** Events applied in the course of the diagnosis, at most. */
const MAX_SEARCH_EVENTS = 50_000_000;
/** Of those, for one entity: its search is not interrupted, and heartbeats wait for it. */
const MAX_ENTITY_EVENTS = 5_000_000;
/** Audits kept per view, the present one included. */
const KEPT_AUDITS = 200;

/**
 * Holds what a view serves to what its log says, bit for bit: its stored states at one instant and (kind `audit`, with a serving log) the
 * reads it answered, each at the commit it was answered from. What differs is diagnosed; the outcome stands in the catalog.
 * Of what earlier semantics of the engine made nothing is compared: `skipped` counts it as `semantics-retired`.
 *
 * @throws MillraceError `unknown-view`, `view-not-published`, `definition-changed`, and what replaying the log throws:
 * `history-changed`, `offsets-gone`, `log-hole`, `commits-missing`, `archive-file-missing`, `service-unreachable`.
 * @example
 * const { verdict, cellsCompared } = await auditParity({ view, pool, reader, archiveDir, servedTopic: 'millrace.served', kind: 'audit',
 *   spillDir, clock: systemClock });
 */
export async function auditParity(options: AuditOptions): Promise<AuditResult> {
  const { view, memory = processMemory(), signal, onWait, spillDir } = options;
  return await withBatchMemory(
    memory,
    LEAST_AUDIT_MEMORY,
    `audit of ${view.name}`,
    { signal, onWait },
    async (held) => {
      const heap = auditHeap(held);
      const duckdb = await openDuckDb({ memory, tempDir: spillDir });
      try {
        return await new Audit(options, duckdb, heap).run();
      } finally {
        await duckdb.close();
      }
    },
  );
}

class Audit {
  readonly #options: AuditOptions;
  readonly #duckdb: DuckDb;
  readonly #heap: AuditHeap;
  readonly #listings: HistoryListings;
  readonly #figures = { entities: 0, reads: 0, cellsCompared: 0, cellsDiffering: 0 };
  readonly #skipped: Record<string, number> = {};
  readonly #differences: UnnumberedDifference[] = [];
  readonly #budget = new WorkBudget(MAX_SEARCH_EVENTS);
  #notDiagnosed = 0;
  #startedUs = 0;

  constructor(options: AuditOptions, duckdb: DuckDb, heap: AuditHeap) {
    this.#heap = heap;
    this.#options = options;
    this.#duckdb = duckdb;
    this.#listings = storedListings(options.pool, options.clock);
  }

  async run(): Promise<AuditResult> {
    const { view, pool, clock, signal } = this.#options;
    const startedMs = clock.monotonicMs();
    this.#startedUs = clock.nowUs();
    const served = await servedVersion(pool, view.name);
    if (isRetired(served.semantics)) return await this.#retired(served, startedMs);
    await auditedVersion(pool, view);
    // The reads first: each was served from a commit that the snapshot then has.
    const sampled = await this.#sampleReads(await stateBytes(pool, served));
    this.#report('snapshot', 0, null);
    const snapshot = await this.#snapshot(sampled);
    const { version } = snapshot;
    await this.#replay(snapshot, sampled.get(version.version) ?? new Map());
    const older = [...sampled].filter(([number]) => number !== version.version).sort(([a], [b]) => b - a);
    for (const [index, [number, entities]] of older.entries()) await this.#replayOlder(number, entities, index);
    const result = await this.#concluded(version, startedMs);
    if (result.verdict === 'equal') await learnHashes(view.source, version, pool, this.#listings, signal);
    return result;
  }

  /** What earlier semantics made cannot be replayed by these: it is counted, and nothing is said of it. */
  async #retired(version: ViewVersion, startedMs: number): Promise<AuditResult> {
    await this.#sampleReads(0);
    const states = this.#maxEntities === 0 ? 0 : await countStates(this.#options.pool, version);
    skip(this.#skipped, SEMANTICS_RETIRED, Math.min(states, this.#maxEntities));
    const proof = await lastProof(this.#options.pool, version.view, version.version);
    return { ...(await this.#concluded(version, startedMs)), lastProof: proofText(proof) };
  }

  async #concluded(version: ViewVersion, startedMs: number): Promise<AuditResult> {
    const { view, pool, clock, kind } = this.#options;
    const { cellsCompared } = this.#figures;
    const isBroken = this.#differences.length + this.#notDiagnosed > 0;
    const verdict: ParityVerdict = isBroken ? 'broken' : cellsCompared === 0 ? 'nothing-compared' : 'equal';
    const causes: Record<string, number> = {};
    for (const { cause } of this.#differences) causes[cause] = (causes[cause] ?? 0) + 1;
    skip(causes, 'not-diagnosed', this.#notDiagnosed);
    const differences = this.#differences.map((difference, index) => ({ number: index + 1, ...difference }));
    const result = {
      view: view.name,
      version: version.version,
      fingerprint: version.fingerprint,
      kind,
      verdict,
      seq: version.seq,
      ...this.#figures,
      skipped: this.#skipped,
      causes,
    };
    const auditId = await withTransaction(pool, async (client) => {
      const times = { startedAtUs: this.#startedUs, finishedAtUs: clock.nowUs() };
      const id = await insertAudit(client, { ...result, ...times }, differences);
      await pruneAudits(client, view.name, KEPT_AUDITS);
      return id;
    });
    return { auditId, ...result, differences, seconds: (clock.monotonicMs() - startedMs) / 1000 };
  }

  /**
   * Per version, the logged reads of a sample of its entities.
   *
   * @param entityBytes what the state of each will take of the heap
   */
  async #sampleReads(entityBytes: number): Promise<Map<number, Map<string, SampledEntity>>> {
    const { view, pool, reader, servedTopic, kind, limits, signal, onWait, clock } = this.#options;
    if (kind === 'promotion' || servedTopic === null) return new Map();
    if (reader === null) throw kafkaNotConfigured(`view "${view.name}": the serving log is the topic "${servedTopic}"`);
    const sample = new ServedSample({
      layout: view.layout,
      fingerprint: view.fingerprint,
      versions: await versions(pool, view.name),
      maxReads: limits?.reads ?? DEFAULT_READS,
      maxBytes: this.#heap.reads,
      entityBytes,
    });
    const reads = scanServedReads({
      reader,
      topic: servedTopic,
      views: new Set([view.name]),
      signal,
      onWait,
      clock,
      onProgress: (done, total) => this.#report('served-reads', done, total),
    });
    try {
      for await (const batch of reads) for (const read of batch) sample.add(read);
      skip(this.#skipped, 'invalid-record', reads.counts.invalid);
    } catch (error) {
      // Nothing was ever logged.
      if (!isMillraceError(error) || error.code !== 'topic-not-found') throw error;
    }
    for (const [reason, count] of Object.entries(sample.skipped)) skip(this.#skipped, reason, count);
    return sample.byVersion();
  }

  async #snapshot(sampled: ReadonlyMap<number, ReadonlyMap<string, SampledEntity>>): Promise<LiveSnapshot> {
    const { view, pool } = this.#options;
    const live = await auditedVersion(pool, view);
    const reads = sampled.get(live.version) ?? new Map<string, SampledEntity>();
    return readSnapshot({
      pool,
      view,
      keys: this.#maxEntities === 0 ? new Map() : new Map([...reads].map(([text, { key }]) => [text, key])),
      maxEntities: this.#maxEntities,
      stateBytes: this.#heap.states,
    });
  }

  async #replay(snapshot: LiveSnapshot, reads: ReadonlyMap<string, SampledEntity>): Promise<void> {
    const { view, pool, archiveDir, kind, signal } = this.#options;
    const { version, rows, sample } = snapshot;
    const commits = await loadCommitTimeline({ pool, archiveDir, version });
    const isStoreCompared = this.#maxEntities > 0;
    const entities = new Map<string, AuditedEntity>();
    for (const [text, { key, reads: own }] of reads) {
      const committed = toldReads(own, commits, version.seq, rows.get(text) ?? null, this.#skipped);
      if (committed.length > 0)
        entities.set(text, auditedEntity(text, key, committed, rows.get(text) ?? null, isStoreCompared));
    }
    for (const [text, row] of rows)
      if (!entities.has(text)) entities.set(text, auditedEntity(text, row.key, [], row, true));
    const replay = new EntityReplay({
      view,
      entities,
      sample: isStoreCompared ? sample : null,
      commits,
      figures: this.#figures,
      skipped: this.#skipped,
    });
    const batches =
      kind === 'promotion' ? this.#backfilled(snapshot) : this.#committedEvents(version, commits, 'replay');
    await replay.run(batches, signal);
    await this.#diagnose(version, commits, [...entities.values()]);
  }

  get #maxEntities(): number {
    return this.#options.limits?.entities ?? DEFAULT_ENTITIES[this.#options.kind];
  }

  /** Reads of a version that went before the live one and was built by the same definition. */
  async #replayOlder(number: number, reads: ReadonlyMap<string, SampledEntity>, index: number): Promise<void> {
    const { view, pool, archiveDir, signal } = this.#options;
    const total = [...reads.values()].reduce((sum, entity) => sum + entity.reads.length, 0);
    if (index >= MAX_OLDER_VERSIONS) return skip(this.#skipped, 'older-version', total);
    const version = (await versions(pool, view.name)).find((known) => known.version === number);
    if (version === undefined) return skip(this.#skipped, LOST_COMMIT, total);
    const before = { ...this.#figures };
    const skippedBefore = { ...this.#skipped };
    try {
      const commits = await loadCommitTimeline({ pool, archiveDir, version });
      const entities = new Map<string, AuditedEntity>();
      for (const [text, { key, reads: own }] of reads) {
        const committed = toldReads(own, commits, commits.lastSeq, null, this.#skipped);
        if (committed.length > 0) entities.set(text, auditedEntity(text, key, committed, null, false));
      }
      const replay = new EntityReplay({
        view,
        entities,
        sample: null,
        commits,
        figures: this.#figures,
        skipped: this.#skipped,
      });
      const last = { ...version, seq: commits.lastSeq };
      await replay.run(this.#committedEvents(last, commits, 'replay'), signal);
      await this.#diagnose(last, commits, [...entities.values()]);
    } catch (error) {
      if (!isMillraceError(error) || !UNREPLAYABLE.has(error.code)) throw error;
      // What was counted of a replay that could not end does not count.
      Object.assign(this.#figures, before);
      for (const reason of Object.keys(this.#skipped)) delete this.#skipped[reason];
      Object.assign(this.#skipped, skippedBefore);
      skip(this.#skipped, error.code, total);
    }
  }

  #committedEvents(
    version: ViewVersion,
    commits: CommitTimeline,
    phase: AuditProgress['phase'],
  ): AsyncIterable<SequencedEvents> {
    const { view, reader, signal, onWait } = this.#options;
    return scanCommits({
      view,
      version,
      commits,
      untilSeq: Math.min(version.seq, commits.lastSeq),
      reader,
      duckdb: this.#duckdb,
      listings: this.#listings,
      signal,
      onWait,
      onProgress: (done, total) => this.#report(phase, done, total),
    }).batches();
  }

  /** What a backfill up to the stream's offsets would take; all of it as of the snapshot's commit. */
  async *#backfilled({ version, offsets }: LiveSnapshot): AsyncGenerator<SequencedEvents> {
    const { view, reader, signal, onWait } = this.#options;
    const { source } = view;
    const lows = new Map(version.cut?.partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
    const [first] = offsets;
    if (first !== undefined && reader === null)
      throw kafkaNotConfigured(`view "${view.name}": its source has the topic "${first.topic}"`);
    const scan = scanLog({
      source,
      reads: historyOf(source, version),
      cut:
        first === undefined
          ? null
          : {
              clusterId: first.clusterId,
              takenAtUs: this.#startedUs,
              partitions: offsets.map(({ partition, nextOffset }) => ({
                partition,
                lowOffset: lows.get(partition) ?? 0,
                endOffset: nextOffset,
              })),
            },
      reader,
      duckdb: this.#duckdb,
      listings: this.#listings,
      order: 'any',
      signal,
      onWait,
      onProgress: ({ rows, totalRows }) => this.#report('replay', rows, totalRows),
    });
    for await (const events of scan.batches()) yield { seq: version.seq, events };
  }

  async #diagnose(version: ViewVersion, commits: CommitTimeline, entities: readonly AuditedEntity[]): Promise<void> {
    const { view, limits, signal, clock } = this.#options;
    const differing = entities.filter(
      ({ storedDifference, differingReads }) => storedDifference !== null || differingReads > 0,
    );
    if (differing.length === 0) return;
    // The same ones whatever order the log was read in.
    differing.sort((a, b) => (a.keyText < b.keyText ? -1 : 1));
    const room = Math.max(0, (limits?.differences ?? DEFAULT_DIFFERENCES) - this.#differences.length);
    const chosen = differing.slice(0, room);
    this.#notDiagnosed += differing.length - chosen.length;
    if (chosen.length === 0) return;
    const events = await collectEvents(
      view,
      this.#committedEvents(version, commits, 'diagnosis'),
      new Set(chosen.map(({ keyText }) => keyText)),
      this.#heap.events,
      signal,
    );
    const reducer = createViewReducer(view.layout);
    const inspector = new StateInspector(view.layout);
    for (const entity of chosen) {
      await turn();
      signal?.throwIfAborted();
      const own = events.get(entity.keyText) ?? null;
      if (own === null || this.#budget.isSpent) {
        this.#notDiagnosed++;
        continue;
      }
      const differences = this.#budget.withPart(MAX_ENTITY_EVENTS, (budget) => {
        const of = new EntityCase({
          reducer,
          inspector,
          events: own,
          budget,
          commits,
          fingerprint: version.fingerprint,
        });
        return diagnoseEntity(of, entity, clock.nowUs(), version.seq);
      });
      this.#differences.push(...differences);
    }
  }

  #report(phase: AuditProgress['phase'], done: number, total: number | null): void {
    const { cellsCompared, cellsDiffering } = this.#figures;
    this.#options.onProgress?.({ phase, done, total, cellsCompared, cellsDiffering });
  }
}
