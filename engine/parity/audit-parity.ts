import { setImmediate as turn } from 'node:timers/promises';
import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import type { CompiledView } from '../define/compiled-view.ts';
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
import { highestWatermark } from '../topic/watermark.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { StateInspector } from '../state/inspect-state.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import { AuditCodes } from './audit-codes.ts';
import { auditDerived } from './audit-derived.ts';
import { type AuditHeap, auditHeap, LEAST_AUDIT_MEMORY } from './audit-memory.ts';
import type { AuditOptions, AuditOutcome, AuditProgress, AuditResult } from './audit-types.ts';
import { type AuditedEntity, auditedEntity } from './audited-entity.ts';
import { diagnoseEntity, type UnnumberedDifference } from './diagnose-entity.ts';
import { EntityCase, WorkBudget } from './entity-case.ts';
import { collectEvents } from './entity-events.ts';
import { countStates, type LiveSnapshot, readSnapshot, servedVersion, stateBytes } from './live-snapshot.ts';
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
 * reads it answered, each at the commit it was answered from and by the code of the version that answered it. What differs is diagnosed; the outcome stands in the catalog.
 * Of what earlier semantics of the engine made nothing is compared: `skipped` counts it as `semantics-retired`.
 *
 * @throws MillraceError `unknown-view`, `view-not-published`, `definition-changed`, and what replaying the log throws:
 * `history-changed`, `offsets-gone`, `log-hole`, `commits-missing`, `archive-file-missing`, `service-unreachable`.
 * @example
 * const { verdict, cellsCompared } = await auditParity({ view: 'route_delays', code, pool, reader, archiveDir, servedTopic: 'millrace.served', kind: 'audit',
 *   spillDir, clock: systemClock });
 */
export async function auditParity(options: AuditOptions): Promise<AuditOutcome> {
  const { view, memory = processMemory(), signal, onWait, spillDir } = options;
  return await withBatchMemory(memory, LEAST_AUDIT_MEMORY, `audit of ${view}`, { signal, onWait }, async (held) => {
    const heap = auditHeap(held);
    const duckdb = await openDuckDb({ memory, tempDir: spillDir });
    try {
      return await new Audit(options, duckdb, heap).run();
    } finally {
      await duckdb.close();
    }
  });
}

class Audit {
  readonly #options: AuditOptions;
  readonly #duckdb: DuckDb;
  readonly #heap: AuditHeap;
  readonly #listings: HistoryListings;
  readonly #figures = { entities: 0, reads: 0, cellsCompared: 0, cellsDiffering: 0 };
  readonly #skipped: Record<string, number> = {};
  readonly #differences: UnnumberedDifference[] = [];
  readonly #codes: AuditCodes;
  readonly #budget = new WorkBudget(MAX_SEARCH_EVENTS);
  #notDiagnosed = 0;
  #startedUs = 0;

  constructor(options: AuditOptions, duckdb: DuckDb, heap: AuditHeap) {
    this.#heap = heap;
    this.#options = options;
    this.#duckdb = duckdb;
    this.#listings = storedListings(options.pool, options.clock);
    this.#codes = new AuditCodes(options.view, options.code);
  }

  async run(): Promise<AuditOutcome> {
    const { view, pool, clock, signal } = this.#options;
    const startedMs = clock.monotonicMs();
    this.#startedUs = clock.nowUs();
    const served = await servedVersion(pool, view);
    if (isRetired(served.semantics)) return await this.#retired(served, startedMs);
    // What is live cannot be passed over: without its code there is no audit.
    await this.#codes.of(served);
    const known = await versions(pool, view);
    if (this.#options.kind === 'audit' && this.#options.servedTopic !== null) await this.#codes.find(known);
    // The reads first: each was served from a commit that the snapshot then has.
    const sampled = await this.#sampleReads(known, await stateBytes(pool, served));
    this.#report('snapshot', 0, null);
    const snapshot = await this.#snapshot(sampled);
    const { version } = snapshot;
    // Readers may have been flipped meanwhile, back to what an earlier engine built too.
    if (isRetired(version.semantics)) return await this.#retired(version, startedMs);
    const live = await this.#codes.of(version);
    await this.#replay(snapshot, live, sampled.get(version.version) ?? new Map());
    const older = [...sampled].filter(([number]) => number !== version.version).sort(([a], [b]) => b - a);
    for (const [index, [number, entities]] of older.entries()) await this.#replayOlder(number, entities, index);
    this.#notDiagnosed += await auditDerived(this.#options, {
      figures: this.#figures,
      skipped: this.#skipped,
      differences: this.#differences,
      maxDifferences: this.#maxDifferences,
      maxBytes: this.#heap.reads,
      onProgress: this.#report.bind(this, 'derived'),
    });
    const result = await this.#concluded(version, startedMs);
    if (result.verdict === 'equal') await learnHashes(live.source, version, pool, this.#listings, signal);
    return { ...result, replayedBy: [live, ...this.#codes.all.filter((code) => code !== live)] };
  }

  /** What earlier semantics made cannot be replayed by these: it is counted, and nothing is said of it. */
  async #retired(version: ViewVersion, startedMs: number): Promise<AuditOutcome> {
    await this.#sampleReads(await versions(this.#options.pool, this.#options.view), 0);
    const states = this.#maxEntities === 0 ? 0 : await countStates(this.#options.pool, version);
    skip(this.#skipped, SEMANTICS_RETIRED, Math.min(states, this.#maxEntities));
    const proof = await lastProof(this.#options.pool, version.view, version.version);
    return { ...(await this.#concluded(version, startedMs)), lastProof: proofText(proof), replayedBy: [] };
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
      view,
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
      await pruneAudits(client, view, KEPT_AUDITS);
      return id;
    });
    return { auditId, ...result, differences, seconds: (clock.monotonicMs() - startedMs) / 1000 };
  }

  /**
   * Per version, the logged reads of a sample of its entities.
   *
   * @param entityBytes what the state of each will take of the heap
   */
  async #sampleReads(
    known: readonly ViewVersion[],
    entityBytes: number,
  ): Promise<Map<number, Map<string, SampledEntity>>> {
    const { view, reader, servedTopic, kind, limits, signal, onWait, clock } = this.#options;
    if (kind === 'promotion' || servedTopic === null) return new Map();
    if (reader === null) throw kafkaNotConfigured(`view "${view}": the serving log is the topic "${servedTopic}"`);
    const sample = new ServedSample({
      layouts: new Map(this.#codes.all.map(({ fingerprint, layout }) => [fingerprint, layout])),
      versions: known,
      maxReads: limits?.reads ?? DEFAULT_READS,
      maxBytes: this.#heap.reads,
      entityBytes,
    });
    const reads = scanServedReads({
      reader,
      topic: servedTopic,
      views: new Set([view]),
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

  get #maxDifferences(): number {
    return this.#options.limits?.differences ?? DEFAULT_DIFFERENCES;
  }

  async #snapshot(sampled: ReadonlyMap<number, ReadonlyMap<string, SampledEntity>>): Promise<LiveSnapshot> {
    const { view, pool } = this.#options;
    return readSnapshot({
      pool,
      view,
      keys: (version) =>
        new Map(this.#maxEntities === 0 ? [] : [...(sampled.get(version) ?? [])].map(([text, { key }]) => [text, key])),
      maxEntities: this.#maxEntities,
      stateBytes: this.#heap.states,
    });
  }

  async #replay(snapshot: LiveSnapshot, view: CompiledView, reads: ReadonlyMap<string, SampledEntity>): Promise<void> {
    const { pool, archiveDir, kind, signal } = this.#options;
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
      watermarkUs: highestWatermark(snapshot.offsets, version.historyWatermarkUs),
      figures: this.#figures,
      skipped: this.#skipped,
    });
    const batches =
      kind === 'promotion' ? this.#backfilled(view, snapshot) : this.#committedEvents(view, version, commits, 'replay');
    await replay.run(batches, signal);
    await this.#diagnose(view, version, commits, [...entities.values()]);
  }

  get #maxEntities(): number {
    return this.#options.limits?.entities ?? DEFAULT_ENTITIES[this.#options.kind];
  }

  /** Reads of a version that went before the live one, by its own code. */
  async #replayOlder(number: number, reads: ReadonlyMap<string, SampledEntity>, index: number): Promise<void> {
    const { pool, archiveDir, signal } = this.#options;
    const total = [...reads.values()].reduce((sum, entity) => sum + entity.reads.length, 0);
    if (index >= MAX_OLDER_VERSIONS) return skip(this.#skipped, 'older-version', total);
    const version = (await versions(pool, this.#options.view)).find((known) => known.version === number);
    if (version === undefined) return skip(this.#skipped, LOST_COMMIT, total);
    const view = await this.#codes.of(version);
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
        watermarkUs: null,
        figures: this.#figures,
        skipped: this.#skipped,
      });
      const last = { ...version, seq: commits.lastSeq };
      await replay.run(this.#committedEvents(view, last, commits, 'replay'), signal);
      await this.#diagnose(view, last, commits, [...entities.values()]);
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
    view: CompiledView,
    version: ViewVersion,
    commits: CommitTimeline,
    phase: AuditProgress['phase'],
  ): AsyncIterable<SequencedEvents> {
    const { reader, signal, onWait } = this.#options;
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
  async *#backfilled(view: CompiledView, { version, offsets }: LiveSnapshot): AsyncGenerator<SequencedEvents> {
    const { reader, signal, onWait } = this.#options;
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

  async #diagnose(
    view: CompiledView,
    version: ViewVersion,
    commits: CommitTimeline,
    entities: readonly AuditedEntity[],
  ): Promise<void> {
    const { signal, clock } = this.#options;
    const differing = entities.filter(
      ({ storedDifference, differingReads }) => storedDifference !== null || differingReads > 0,
    );
    if (differing.length === 0) return;
    // The same ones whatever order the log was read in.
    differing.sort((a, b) => (a.keyText < b.keyText ? -1 : 1));
    const chosen = differing.slice(0, Math.max(0, this.#maxDifferences - this.#differences.length));
    this.#notDiagnosed += differing.length - chosen.length;
    if (chosen.length === 0) return;
    const events = await collectEvents(
      view,
      this.#committedEvents(view, version, commits, 'diagnosis'),
      new Set(chosen.map(({ keyText }) => keyText)),
      this.#heap.events,
      signal,
    );
    const reducer = createViewReducer(view.layout, view.derived);
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
