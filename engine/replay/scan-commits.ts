import type { CommitTimeline } from '../archive/commit-timeline.ts';
import type { CompiledView, LogEvent } from '../define/compiled-view.ts';
import { internalBug, invariant, isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { HistoryHorizon } from '../admission/history-horizon.ts';
import { scanHistory } from '../history/history-scan.ts';
import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { LogReader, RawRecord } from '../topic/log-reader.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import { viewNeedsKafka } from '../topic/topic-errors.ts';
import { TopicScan } from '../topic/topic-scan.ts';
import { servedTimes } from '../postgres/served-times.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { CommitWindows } from './commit-windows.ts';
import { historyOf } from './version-history.ts';

export interface CommitScanOptions {
  readonly view: CompiledView;
  /** The version whose commits are replayed. */
  readonly version: ViewVersion;
  readonly commits: CommitTimeline;
  /** The last commit to replay; 0: the backfill alone. */
  readonly untilSeq: number;
  /** Reaches back to the version's cut (with the archive, where the topic no longer does); null for a source without a topic. */
  readonly reader: LogReader | null;
  readonly duckdb: DuckDb;
  readonly listings: HistoryListings;
  readonly signal?: AbortSignal | undefined;
  /** Told what the topic's read waits for where that lasts, and null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  /** How many records are read, and held, before they are put in order, at most: fewer where they are large. Default 100,000; a commit is never split. */
  readonly windowRecords?: number | undefined;
  /** Records and history rows passed, of how many; the total is null while unknown. */
  readonly onProgress?: ((done: number, total: number | null) => void) | undefined;
  readonly onInvalid?: ((record: InvalidRecord) => void) | undefined;
}

/** Events that one commit applied, or some of those the backfill did. */
export interface CommittedEvents {
  /** 0: the backfill. Never falls from one batch to the next; commits that applied no event are left out. */
  readonly seq: number;
  /** Since when readers saw the commit, epoch µs; Infinity for a version that was never published. Never falls either. */
  readonly visibleAtUs: number;
  /** Of a commit: by partition, then offset. Of the backfill: in any order. Used again for the next batch. */
  readonly events: readonly LogEvent[];
  /** Per event its record's broker timestamp, epoch µs; -Infinity for a row of history. */
  readonly brokerTimesUs: readonly number[];
}

export interface CommitScan {
  /** Once. */
  batches(): AsyncIterable<CommittedEvents>;
  /** Where the records went (`records`, `tombstones`, `invalid`, `outsideUntil`, `duplicates`, `undeduped`). Throws before the batches have ended. */
  readonly counts: LogCounts;
}

const DEFAULT_WINDOW_RECORDS = 100_000;
/** The first window has no more: nothing is known yet of how large records are. */
const FIRST_WINDOW_RECORDS = 8_192;
const MOST_GROWTH = 4;
/** What the values of a window take, about; decoded they are two or three times that. */
const WINDOW_BYTES = 16 << 20;

/**
 * The log in the order in which one version of a view applied it: history ∪ topic up to the version's cut as commit 0, then what each
 * micro-batch committed, through the same pipelines as backfill and stream. The state after all batches with `seq <= s` is, byte for byte, the
 * state that was stored at commit `s`.
 *
 * @throws MillraceError (while iterating) `history-changed`, `topic-changed`, `kafka-not-configured`, `offsets-gone`, `log-hole`, `topic-recreated`, and what
 * `scanHistory` and the reader throw.
 * @example
 * const scan = scanCommits({ view, version, commits, untilSeq: commits.lastSeq, reader, duckdb, listings });
 * for await (const { seq, events } of scan.batches()) for (const event of events) apply(seq, event);
 */
export function scanCommits(options: CommitScanOptions): CommitScan {
  const replay = new Replay(options);
  return {
    batches: () => replay.batches(),
    get counts(): LogCounts {
      return replay.counts;
    },
  };
}

class Replay {
  readonly #options: CommitScanOptions;
  #counts: LogCounts | null = null;
  #historyRows = 0;
  #topicTotal = 0;

  constructor(options: CommitScanOptions) {
    this.#options = options;
    invariant(
      options.untilSeq >= 0 && options.untilSeq <= options.commits.lastSeq,
      `version ${options.version.version} of view "${options.version.view}" has commits up to ${options.commits.lastSeq}, not ${options.untilSeq}`,
    );
  }

  get counts(): LogCounts {
    if (this.#counts === null) throw internalBug('the counts of a replay were read before it had ended');
    return this.#counts;
  }

  async *batches(): AsyncGenerator<CommittedEvents> {
    const { version, commits, untilSeq } = this.#options;
    const publishedAtUs = servedTimes(version)[0]?.fromUs ?? Number.POSITIVE_INFINITY;
    const counts = emptyCounts();
    this.#topicTotal = recordsUpTo(version, commits, untilSeq);
    const horizon = yield* this.#history(counts, publishedAtUs);
    const topic = await this.#topic(horizon);
    if (topic !== null) {
      try {
        yield* this.#backfilled(topic, publishedAtUs);
        yield* this.#committed(topic, publishedAtUs);
        for (const part of topic.figures()) addCounts(counts, part.counts);
      } catch (error) {
        throw this.#named(error);
      } finally {
        topic.release();
      }
    }
    this.#counts = counts;
  }

  async *#history(counts: LogCounts, visibleAtUs: number): AsyncGenerator<CommittedEvents, HistoryHorizon | null> {
    const { view, version, duckdb, listings, signal, onInvalid } = this.#options;
    const { source } = view;
    const reads = historyOf(source, version);
    if (reads === null) return null;
    const scan = scanHistory({
      source,
      reads,
      order: 'any',
      duckdb,
      listings,
      signal,
      onProgress: (rows, totalRows) => {
        this.#historyRows = totalRows ?? rows;
        this.#report(rows, totalRows === null);
      },
      onInvalid: (position, file, reasons, payload) =>
        onInvalid?.({
          topic: 'history',
          partition: -1,
          offset: position,
          number: position,
          file,
          payload: Buffer.from(payload),
          reasons,
          brokerTimestampUs: null,
        }),
    });
    const brokerTimesUs: number[] = [];
    for await (const events of scan) {
      while (brokerTimesUs.length < events.length) brokerTimesUs.push(Number.NEGATIVE_INFINITY);
      brokerTimesUs.length = events.length;
      yield { seq: 0, visibleAtUs, events, brokerTimesUs };
    }
    const { figures } = scan;
    this.#historyRows = figures.rows;
    addCounts(counts, figures.counts);
    return figures;
  }

  async #topic(horizon: HistoryHorizon | null): Promise<TopicScan | null> {
    const { view, version, commits, untilSeq, reader, signal, onWait, onInvalid } = this.#options;
    const { source } = view;
    if (source.topic === null || (version.cut === null && untilSeq === 0)) return null;
    if (reader === null) throw viewNeedsKafka(view);
    if (version.topic !== source.topic) throw topicChanged(view, version);
    // A version made without a cut begins with its first commit.
    const cut = version.cut ?? {
      clusterId: (await reader.bounds(source.topic)).clusterId,
      takenAtUs: version.createdAtUs,
      partitions: commits
        .offsetsAt(0)
        .map(({ partition, endOffset }) => ({ partition, lowOffset: endOffset, endOffset })),
    };
    return new TopicScan(
      {
        source,
        topic: source.topic,
        cut,
        reader,
        signal,
        onWait,
        onInvalid: (record) => onInvalid?.(record),
        onProgress: (records) => this.#report(this.#historyRows + records, false),
      },
      horizon,
    );
  }

  /** The topic's part of the backfill. */
  async *#backfilled(topic: TopicScan, visibleAtUs: number): AsyncGenerator<CommittedEvents> {
    const events: LogEvent[] = [];
    const brokerTimesUs: number[] = [];
    const accept = (event: LogEvent, record: { readonly timestampUs: number }): void => {
      events.push(event);
      brokerTimesUs.push(record.timestampUs);
    };
    for await (const _ of topic.batches(accept)) {
      if (events.length > 0) yield { seq: 0, visibleAtUs, events, brokerTimesUs };
      events.length = 0;
      brokerTimesUs.length = 0;
    }
  }

  /** Commits 1 to the last: a window of several is read from all partitions, put in order, and handed on commit by commit. */
  async *#committed(topic: TopicScan, publishedAtUs: number): AsyncGenerator<CommittedEvents> {
    const { commits, untilSeq, signal } = this.#options;
    const mostRecords = this.#options.windowRecords ?? DEFAULT_WINDOW_RECORDS;
    let windowRecords = Math.min(mostRecords, FIRST_WINDOW_RECORDS);
    const windows = new CommitWindows(commits, windowRecords);
    const lookup = new CommitLookup(commits);
    let visibleAtUs = publishedAtUs;
    for (const { firstSeq, lastSeq, ends } of windows.upTo(untilSeq)) {
      signal?.throwIfAborted();
      topic.extendTo(ends);
      const held: Held[] = [];
      let bytes = 0;
      const accept = (event: LogEvent, record: Pick<RawRecord, 'timestampUs' | 'value'>): void => {
        bytes += record.value?.length ?? 0;
        held.push({ seq: lookup.seqOf(event.partition, event.offset), event, brokerTimeUs: record.timestampUs });
      };
      for await (const _ of topic.batches(accept));
      const fitting = Math.floor((windowRecords * WINDOW_BYTES) / Math.max(bytes, 1));
      windowRecords = Math.max(1, Math.min(fitting, windowRecords * MOST_GROWTH, mostRecords));
      windows.resize(windowRecords);
      held.sort(inOrder);
      let at = 0;
      for (let seq = firstSeq; seq <= lastSeq; seq++) {
        visibleAtUs = Math.max(publishedAtUs, commits.committedAtUs(seq));
        const from = at;
        while (at < held.length && held[at]!.seq === seq) at++;
        if (at === from) continue;
        const batch = held.slice(from, at);
        yield {
          seq,
          visibleAtUs,
          events: batch.map(({ event }) => event),
          brokerTimesUs: batch.map(({ brokerTimeUs }) => brokerTimeUs),
        };
      }
      if (at !== held.length) {
        const { seq, event } = held[at]!;
        throw internalBug(
          `partition ${event.partition}, offset ${event.offset} is of commit ${seq}, not between ${firstSeq} and ${lastSeq}`,
        );
      }
    }
  }

  #report(done: number, isUnknown: boolean): void {
    this.#options.onProgress?.(done, isUnknown ? null : this.#historyRows + this.#topicTotal);
  }

  /** Retention has taken what the version was built from: here a new cut is no way out. */
  #named(error: unknown): unknown {
    if (!isMillraceError(error) || error.code !== 'offsets-gone') return error;
    const { version } = this.#options;
    return new MillraceError(
      'offsets-gone',
      `version ${version.version} of view "${version.view}" cannot be replayed: ${error.message}`,
      {
        remedy:
          'Archive the source before retention takes its records (`millrace archive`); what is gone and was not archived cannot be replayed.',
        httpStatus: 409,
        details: error.details,
        cause: error,
      },
    );
  }
}

interface Held {
  readonly seq: number;
  readonly event: LogEvent;
  readonly brokerTimeUs: number;
}

function inOrder(a: Held, b: Held): number {
  return a.seq - b.seq || a.event.partition - b.event.partition || a.event.offset - b.event.offset;
}

function recordsUpTo(version: ViewVersion, commits: CommitTimeline, seq: number): number {
  const starts = version.cut?.partitions ?? [];
  const lows = new Map(starts.map(({ partition, lowOffset }) => [partition, lowOffset]));
  if (version.cut === null) for (const { partition, endOffset } of commits.offsetsAt(0)) lows.set(partition, endOffset);
  return commits
    .offsetsAt(seq)
    .reduce((sum, { partition, endOffset }) => sum + endOffset - (lows.get(partition) ?? 0), 0);
}

/** Which commit took an offset: looked up once for each run of records of one commit. */
class CommitLookup {
  readonly #commits: CommitTimeline;
  readonly #runs = new Map<number, { readonly seq: number; readonly untilOffset: number }>();

  constructor(commits: CommitTimeline) {
    this.#commits = commits;
  }

  /** Offsets of a partition are asked for in their order. */
  seqOf(partition: number, offset: number): number {
    let run = this.#runs.get(partition);
    if (run === undefined || offset >= run.untilOffset) {
      run = this.#commits.commitAt(partition, offset) ?? undefined;
      invariant(run !== undefined, `partition ${partition}, offset ${offset} is in no commit`);
      this.#runs.set(partition, run);
    }
    return run.seq;
  }
}

function topicChanged({ source }: CompiledView, { view, version, topic }: ViewVersion): MillraceError {
  return new MillraceError(
    'topic-changed',
    `version ${version} of view "${view}" was built from ${topic === null ? 'no topic' : `topic "${topic}"`}, source "${source.name}" now has topic "${source.topic}"`,
    { remedy: 'Name the topic of then in the source to replay it.', httpStatus: 409 },
  );
}
