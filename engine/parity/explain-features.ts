import type { CommitTimeline } from '../archive/commit-timeline.ts';
import { loadCommitTimeline } from '../archive/load-commit-timeline.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { jsonEntity } from '../values/json-values.ts';
import { keyText } from '../define/key-text.ts';
import { realEnd } from '../topic/log-reader.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { openDuckDb } from '../duckdb/duckdb.ts';
import { processMemory } from '../memory/process-memory.ts';
import { EntityKeys } from '../online/entity-key.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';
import { storedListings } from '../postgres/history-listings.ts';
import { scanCommits } from '../replay/scan-commits.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { CorruptState, openStored } from '../state/stored-state.ts';
import type { EntityState } from '../state/view-reducer.ts';
import type { EntityEvent } from './entity-events.ts';
import { HeldEvents } from './held-events.ts';
import { explainFeature } from './explain-feature.ts';
import type { ExplainOptions, Explanation } from './explanation.ts';
import { auditedVersion, readRow, type StoredRow } from './live-snapshot.ts';
import { emptyPrepared } from './replay-entities.ts';
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
 * const { features } = await explainFeatures({ view, pool, reader, archiveDir, key: ['LAS', 'PHL'], spillDir, clock: systemClock });
 */
export async function explainFeatures(options: ExplainOptions): Promise<Explanation> {
  const { view, pool, archiveDir, spillDir, memory = processMemory() } = options;
  const key = new EntityKeys(view.layout).check(options.key);
  const subject = options.atUs === undefined ? await presentRow(options, key) : await servedThen(options, options.atUs);
  const commits = await loadCommitTimeline({ pool, archiveDir, version: subject.version });
  const seq = options.atUs === undefined ? subject.version.seq : commits.seqAt(options.atUs);
  const held = await memory.reserve({}, `explaining view "${view.name}"`, { signal: options.signal });
  try {
    const duckdb = await openDuckDb({ memory, tempDir: spillDir });
    try {
      return await explain(options, key, { ...subject, commits, seq }, duckdb, new HeldEvents(held));
    } finally {
      await duckdb.close();
    }
  } finally {
    held.release();
  }
}

interface Subject {
  readonly version: ViewVersion;
  /** Undefined where what was served then is asked for. */
  readonly row: StoredRow | null | undefined;
  readonly atUs: number;
}

/** The row readers get, of one instant with the version's newest commit. */
function presentRow({ view, pool, clock }: ExplainOptions, key: StoredRow['key']): Promise<Subject> {
  return withTransaction(
    pool,
    async (client) => {
      const version = await auditedVersion(client, view);
      return { version, row: await readRow(client, version, key), atUs: clock.nowUs() };
    },
    { isolation: 'repeatable read' },
  );
}

/** The version readers got at a time. */
async function servedThen({ view, pool }: ExplainOptions, atUs: number): Promise<Subject> {
  const known = await versions(pool, view.name);
  const version = known.find(
    ({ publishedAtUs, endedAtUs }) =>
      publishedAtUs !== null && publishedAtUs <= atUs && (endedAtUs === null || atUs < endedAtUs),
  );
  if (version === undefined) {
    const first = known.reduce((oldest, { publishedAtUs }) => Math.min(oldest, publishedAtUs ?? Infinity), Infinity);
    const since = Number.isFinite(first)
      ? `it was first published at ${formatDateTime(first)}`
      : 'it was never published';
    throw new MillraceError(
      'not-served-then',
      `view "${view.name}" was not served at ${formatDateTime(atUs)}: ${since}`,
      {
        remedy: 'Ask for a time at which it was served, or for now by leaving the time out.',
        httpStatus: 404,
        details: { view: view.name },
      },
    );
  }
  await refuseRetired(pool, version);
  if (version.fingerprint !== view.fingerprint) {
    throw new MillraceError(
      'definition-changed',
      `view "${view.name}": version ${version.version} was served then, built by definition ${version.fingerprint.slice(0, 12)}; the code here is ${view.fingerprint.slice(0, 12)}`,
      { remedy: 'Explain it with the code of then.', httpStatus: 409 },
    );
  }
  return { version, row: undefined, atUs };
}

async function explain(
  options: ExplainOptions,
  key: StoredRow['key'],
  subject: Subject & { readonly commits: CommitTimeline; readonly seq: number },
  duckdb: Awaited<ReturnType<typeof openDuckDb>>,
  held: HeldEvents,
): Promise<Explanation> {
  const { view } = options;
  const { version, row, atUs, commits, seq } = subject;
  const reducer = createViewReducer(view.layout);
  const { applied, later, recordsBehind } = await eventsOf(options, subject, keyText(key), duckdb, held);
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
    found: row === undefined ? lastSeq !== null : row !== null,
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

interface OwnEvents {
  /** By commit, up to the one asked for. */
  readonly applied: EntityEvent[];
  /** Committed after it, of event times before the time asked for. */
  readonly later: EntityEvent[];
  /** Events of the topic that later commits took although they were there by then. */
  readonly recordsBehind: number;
}

async function eventsOf(
  { view, pool, reader, clock, signal, onProgress }: ExplainOptions,
  { version, commits, seq, atUs, row }: Subject & { readonly commits: CommitTimeline; readonly seq: number },
  wanted: string,
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
  const prepared = emptyPrepared(view);
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
async function presentLag(
  { view, reader }: ExplainOptions,
  { commits, seq }: { readonly commits: CommitTimeline; readonly seq: number },
): Promise<number | null> {
  if (view.source.topic === null || reader === null) return null;
  const taken = new Map(commits.offsetsAt(seq).map(({ partition, endOffset }) => [partition, endOffset]));
  const { partitions } = await reader.bounds(view.source.topic);
  return partitions.reduce(
    (sum, ends) => sum + Math.max(0, realEnd(ends) - (taken.get(ends.partition) ?? ends.lowOffset)),
    0,
  );
}
