import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity } from '../values/json-values.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import { keyText } from '../define/key-text.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { realEnd } from '../topic/log-reader.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { openDuckDb } from '../duckdb/duckdb.ts';
import { processMemory } from '../memory/process-memory.ts';
import { EntityKeys } from '../online/entity-key.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { servedTimes } from '../postgres/served-times.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { scanCommits } from '../replay/scan-commits.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { CorruptState, openStored } from '../state/stored-state.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import type { EntityEvent } from './entity-events.ts';
import { HeldEvents } from './held-events.ts';
import { explainFeature } from './explain-feature.ts';
import type { Explained, ExplainOptions, Explanation } from './explanation.ts';
import { auditedVersion, readRow, type StoredRow } from './live-snapshot.ts';
import { refuseRetired } from './retired-version.ts';

const DEFAULT_RECORDS = 20;
const DEFAULT_TILES = 50;

/**
 * What stands behind the feature values of one entity: the tiles in each window, the records in those tiles, the commit and the lag. Without
 * `atUs` it explains the row that readers get now, beside what the log gives; with it, what readers got then.
 *
 * @throws MillraceError `memory-limit-too-small` where the entity has more events than there is memory for, `invalid-key`, `unknown-view`, `view-not-published`, `not-served-then`, `semantics-retired`, `definition-changed`, and what
 * replaying the log throws.
 * @example
 * const { features } = await explainFeatures({ view: 'route_delays', code, pool, reader, archiveDir, key: ['LAS', 'PHL'], spillDir, clock: systemClock });
 */
export async function explainFeatures(options: ExplainOptions): Promise<Explained> {
  const { pool, archiveDir, spillDir, code, memory = processMemory() } = options;
  const subject = options.atUs === undefined ? await presentRow(options) : await servedThen(options, options.atUs);
  const { fingerprint } = subject.version;
  const view = await code.viewOf({ view: options.view, fingerprint });
  const commits = await loadCommitTimeline({ pool, archiveDir, version: subject.version });
  const seq = options.atUs === undefined ? subject.version.seq : commits.seqAt(options.atUs);
  const held = await memory.reserve({}, `explaining view "${view.name}"`, { signal: options.signal });
  try {
    const duckdb = await openDuckDb({ memory, tempDir: spillDir });
    try {
      const explained = { ...subject, view, commits, seq };
      return { ...(await explain(options, explained, duckdb, new HeldEvents(held))), replayedBy: view };
    } finally {
      await duckdb.close();
    }
  } finally {
    held.release();
  }
}

/**
 * The version that an explanation is about: whom readers get, or got at a time.
 *
 * @param atUs UTC epoch µs; undefined: now
 * @throws MillraceError `unknown-view`, `view-not-published`, `not-served-then`, `semantics-retired`
 */
export async function explainedVersion(on: Queryable, view: string, atUs: number | undefined): Promise<ViewVersion> {
  return await (atUs === undefined ? auditedVersion(on, view) : versionThen(on, view, atUs));
}

interface Subject {
  readonly version: ViewVersion;
  readonly key: StoredRow['key'];
  /** Undefined where what was served then is asked for. */
  readonly row: StoredRow | null | undefined;
  readonly atUs: number;
}

interface Explaining extends Subject {
  readonly view: CompiledView;
  readonly commits: CommitTimeline;
  readonly seq: number;
}

/** The row readers get, of one instant with the version's newest commit. */
function presentRow({ view, pool, clock, key: given }: ExplainOptions): Promise<Subject> {
  return withTransaction(
    pool,
    async (client) => {
      const version = await auditedVersion(client, view);
      const key = new EntityKeys(version.layout).check(given);
      return { version, key, row: await readRow(client, version, key), atUs: clock.nowUs() };
    },
    { isolation: 'repeatable read' },
  );
}

/** What readers got at a time. */
async function servedThen({ view, pool, key }: ExplainOptions, atUs: number): Promise<Subject> {
  const version = await versionThen(pool, view, atUs);
  return { version, key: new EntityKeys(version.layout).check(key), row: undefined, atUs };
}

async function versionThen(on: Queryable, view: string, atUs: number): Promise<ViewVersion> {
  const known = await versions(on, view);
  const version = known.find((one) =>
    servedTimes(one).some(({ fromUs, untilUs }) => fromUs <= atUs && (untilUs === null || atUs < untilUs)),
  );
  if (version === undefined) {
    const first = Math.min(...known.flatMap(servedTimes).map(({ fromUs }) => fromUs));
    const since = Number.isFinite(first)
      ? `it was first published at ${formatDateTime(first)}`
      : 'it was never published';
    throw new MillraceError('not-served-then', `view "${view}" was not served at ${formatDateTime(atUs)}: ${since}`, {
      remedy: 'Ask for a time at which it was served, or for now by leaving the time out.',
      httpStatus: 404,
      details: { view },
    });
  }
  await refuseRetired(on, version);
  return version;
}

async function explain(
  options: ExplainOptions,
  subject: Explaining,
  duckdb: Awaited<ReturnType<typeof openDuckDb>>,
  held: HeldEvents,
): Promise<Explanation> {
  const { view, version, key, row, atUs, commits, seq } = subject;
  const reducer = createViewReducer(view.layout, view.derived);
  const { applied, later, recordsBehind } = await eventsOf(options, subject, duckdb, held);
  const replayed: EntityState = reducer.empty();
  let lastSeq: number | null = null;
  for (const event of applied) if (reducer.apply(replayed, event)) lastSeq = event.seq;
  const state = row === undefined ? replayed : row === null ? reducer.empty() : openStored(reducer, row.state, row.crc);
  const isCorrupt = state instanceof CorruptState;
  const maxRecords = options.maxRecords ?? DEFAULT_RECORDS;
  const newestUs = isCorrupt ? Number.NEGATIVE_INFINITY : state.newestEventTimeUs;
  return {
    view: view.name,
    version: version.version,
    fingerprint: version.fingerprint,
    entity: jsonEntity(view.layout.keys, key),
    from: row === undefined ? 'replay' : 'store',
    asOf: formatDateTime(atUs),
    found: isCorrupt || reducer.finds(state, atUs),
    expired: expiredAt(view.layout, reducer, isCorrupt || row === null ? replayed : state, atUs),
    corrupt: isCorrupt ? state.reason : null,
    ahead: atUs <= newestUs,
    seq: row === undefined ? lastSeq : (row?.seq ?? null),
    lag: {
      commit: seq,
      committedAt: seq === 0 ? null : formatDateTime(commits.committedAtUs(seq)),
      newestEventTime: Number.isFinite(newestUs) ? formatDateTime(newestUs) : null,
      offsets: commits.offsetsAt(seq).map(({ partition, endOffset }) => ({ partition, nextOffset: endOffset })),
      recordsBehind: row === undefined ? recordsBehind : await presentLag(options, subject),
      appliedLater: {
        count: later.length,
        records: later
          .toSorted((a, b) => b.eventTimeUs - a.eventTimeUs)
          .slice(0, maxRecords)
          .map((event) => ({
            partition: event.partition,
            offset: event.offset,
            eventTime: formatDateTime(event.eventTimeUs),
            eventId: event.id,
            seq: event.seq,
          })),
      },
    },
    features: view.layout.features.map((_, feature) =>
      explainFeature({
        view,
        reducer,
        feature,
        state,
        replayed,
        atUs,
        events: applied,
        maxRecords,
        maxTiles: options.maxTiles ?? DEFAULT_TILES,
      }),
    ),
  };
}

/** The entity's row may be gone since: what the log gives tells, too. */
function expiredAt({ expireUs }: ViewLayout, reducer: ViewReducer, state: EntityState, atUs: number): string | null {
  const { newestEventTimeUs } = state;
  if (expireUs === undefined || !Number.isFinite(newestEventTimeUs) || reducer.finds(state, atUs)) return null;
  return formatDateTime(newestEventTimeUs + expireUs);
}

interface OwnEvents {
  /** By commit, up to the one asked for. */
  readonly applied: EntityEvent[];
  /** Committed after it, of event times before the time asked for. */
  readonly later: EntityEvent[];
  /** Events of the topic that later commits took although they were there by then. */
  readonly recordsBehind: number;
}

async function eventsOf(
  { pool, reader, clock, signal, onProgress }: ExplainOptions,
  { view, version, key: wantedKey, commits, seq, atUs, row }: Explaining,
  duckdb: Awaited<ReturnType<typeof openDuckDb>>,
  held: HeldEvents,
): Promise<OwnEvents> {
  const scan = scanCommits({
    view,
    version,
    commits,
    untilSeq: row === undefined ? commits.lastSeq : seq,
    reader,
    duckdb,
    listings: storedListings(pool, clock),
    signal,
    onProgress,
  });
  const own: { applied: EntityEvent[]; later: EntityEvent[]; recordsBehind: number } = {
    applied: [],
    later: [],
    recordsBehind: 0,
  };
  const prepared = emptyPrepared(view.layout.slots);
  const wanted = keyText(wantedKey);
  for await (const batch of scan.batches()) {
    signal?.throwIfAborted();
    const isLater = batch.seq > seq;
    for (const [index, event] of batch.events.entries()) {
      if (isLater && batch.brokerTimesUs[index]! <= atUs) own.recordsBehind++;
      if (isLater && event.eventTimeUs >= atUs) continue;
      if (view.prepare(event, prepared) !== 'ok' || prepared.keyText !== wanted) continue;
      const { keyText: text, key, eventTimeUs, id, partition, offset, inputs } = prepared;
      const copy = {
        keyText: text,
        key: [...key],
        eventTimeUs,
        id,
        partition,
        offset,
        inputs: [...inputs],
        seq: batch.seq,
      };
      held.count(copy);
      (isLater ? own.later : own.applied).push(copy);
    }
  }
  return own;
}

/** Records the topic holds and the stream has not taken; null without a topic. */
async function presentLag({ reader }: ExplainOptions, { view, commits, seq }: Explaining): Promise<number | null> {
  if (view.source.topic === null || reader === null) return null;
  const taken = new Map(commits.offsetsAt(seq).map(({ partition, endOffset }) => [partition, endOffset]));
  const { partitions } = await reader.bounds(view.source.topic);
  return partitions.reduce(
    (sum, ends) => sum + Math.max(0, realEnd(ends) - (taken.get(ends.partition) ?? ends.lowOffset)),
    0,
  );
}
