import type { CompiledSource, CompiledView } from '../define/compiled-view.ts';
import type { VersionCode } from '../define/version-code.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { filesNotIn } from '../history/named-history.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { streamOffsets } from '../postgres/stream-offsets.ts';
import { versions, type ViewVersion } from '../postgres/view-versions.ts';
import { historyOf } from '../replay/version-history.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { viewNeedsKafka } from '../topic/topic-errors.ts';
import type { Clock } from '../values/clock.ts';
import type { DiffSide } from './diff-types.ts';

/** The two, over one prefix of the log. */
export interface DiffSides {
  readonly before: DiffSide;
  readonly after: DiffSide;
}

/** Where versions, their code and their log are. */
export interface SidesContext {
  readonly pool: Queryable;
  readonly code: VersionCode;
  /** Null where there is no Kafka. */
  readonly reader: LogReader | null;
  readonly clock: Clock;
}

/** Offsets [from, until) of a partition. */
interface Stretch {
  readonly from: number;
  readonly until: number;
}

/** A version's part of its topic. */
interface ReadTopic {
  readonly clusterId: string;
  readonly partitions: ReadonlyMap<number, Stretch>;
}

/**
 * Two versions of a view, each with its own code and files, over their log up to what both have committed.
 *
 * @throws MillraceError `unknown-view`, `unknown-version`, `version-not-built`, `kafka-not-configured`, and what `VersionCode` throws
 */
export async function versionSides(
  context: SidesContext,
  asked: { readonly view: string; readonly before: number; readonly after: number },
): Promise<DiffSides> {
  const known = await versions(context.pool, asked.view);
  const [before, after] = [versionNamed(known, asked.view, asked.before), versionNamed(known, asked.view, asked.after)];
  const [older, newer] = await Promise.all([readTopic(context.pool, before), readTopic(context.pool, after)]);
  const [olderView, newerView] = await Promise.all([context.code.viewOf(before), context.code.viewOf(after)]);
  if (context.reader === null && (older ?? newer) !== null) throw viewNeedsKafka(newerView);
  const isOneTopic = before.topic === after.topic;
  const ends = isOneTopic ? commonEnds(older, newer) : null;
  const side = (version: ViewVersion, view: CompiledView, topic: ReadTopic | null): DiffSide => ({
    view,
    version: version.version,
    reads: historyOf(view.source, version),
    cut: cutOf(topic, ends, context.clock),
  });
  return { before: side(before, olderView, older), after: side(after, newerView, newer) };
}

/**
 * A version and a definition that none was built of yet: it reads the files there are now, and the topic, from where it begins now, up to what the
 * version has committed. Where there is no Kafka both read the history alone.
 *
 * @throws MillraceError what `LogReader.bounds` throws
 */
export async function definitionSides(
  { pool, reader, clock }: Pick<SidesContext, 'pool' | 'reader' | 'clock'>,
  version: ViewVersion,
  before: CompiledView,
  after: CompiledView,
): Promise<DiffSides> {
  const topic = reader === null ? null : await readTopic(pool, version);
  return {
    before: {
      view: before,
      version: version.version,
      reads: historyOf(before.source, version),
      cut: cutOf(topic, null, clock),
    },
    after: {
      view: after,
      version: null,
      ...(await presentFiles(before.source, after.source, version)),
      cut: reader === null ? null : await presentCut(reader, after.source, version, topic, clock),
    },
  };
}

/** The version of this number. Throws MillraceError `unknown-view`, `unknown-version`, `version-not-built`. */
function versionNamed(known: readonly ViewVersion[], view: string, number: number): ViewVersion {
  const found = known.find(({ version }) => version === number);
  if (found === undefined) throw unknownVersion(view, number, known);
  if (found.status === 'building' || found.status === 'discarded')
    throw new MillraceError('version-not-built', `view "${view}", version ${number} is ${found.status}`, {
      remedy: 'Wait until it is built, or name another: "millrace status" lists what is served.',
      retryable: found.status === 'building',
      httpStatus: 409,
      details: { view, version: number, status: found.status },
    });
  return found;
}

function unknownVersion(view: string, number: number, known: readonly ViewVersion[]): MillraceError {
  const numbers = known.map(({ version }) => version).sort((a, b) => a - b);
  if (numbers.length === 0)
    return new MillraceError('unknown-view', `no version of a view "${view}" is known here`, {
      remedy: 'Correct the name, or start the view; "millrace status" lists what is served.',
      httpStatus: 404,
      details: { view },
    });
  return new MillraceError(
    'unknown-version',
    `view "${view}" has no version ${number}; there are ${numbers.join(', ')}`,
    {
      remedy: 'Name two that there are.',
      httpStatus: 404,
      details: { view, version: number, known: numbers },
    },
  );
}

/** What a version has read of its topic: up to its committed offsets, or, where those are gone, to its cut. */
async function readTopic(pool: Queryable, { view, version, topic, cut }: ViewVersion): Promise<ReadTopic | null> {
  if (topic === null) return null;
  const lows = new Map(cut?.partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  const offsets = (await streamOffsets(pool, view, version)).filter((offset) => offset.topic === topic);
  // A partition that the topic gained after the cut was streamed from its first offset.
  const streamed = offsets.map(
    ({ partition, nextOffset }) => [partition, { from: lows.get(partition) ?? 0, until: nextOffset }] as const,
  );
  const built = (cut?.partitions ?? []).map(
    ({ partition, lowOffset, endOffset }) => [partition, { from: lowOffset, until: endOffset }] as const,
  );
  const clusterId = offsets[0]?.clusterId ?? cut?.clusterId;
  return clusterId === undefined ? null : { clusterId, partitions: new Map(streamed.length > 0 ? streamed : built) };
}

/** Up to where both have read. A partition that one of them does not know is read by neither. */
function commonEnds(before: ReadTopic | null, after: ReadTopic | null): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  for (const [partition, { until }] of before?.partitions ?? []) {
    const other = after?.partitions.get(partition);
    if (other !== undefined) ends.set(partition, Math.min(until, other.until));
  }
  return ends;
}

/** @param ends null: as far as it has read itself */
function cutOf(topic: ReadTopic | null, ends: ReadonlyMap<number, number> | null, clock: Clock): Cut | null {
  if (topic === null) return null;
  const partitions = [...topic.partitions]
    .filter(([partition]) => ends === null || ends.has(partition))
    .sort(([a], [b]) => a - b)
    .map(([partition, { from, until }]) => ({
      partition,
      lowOffset: from,
      endOffset: Math.max(from, ends?.get(partition) ?? until),
    }));
  return { clusterId: topic.clusterId, takenAtUs: clock.nowUs(), partitions };
}

/** Where the topic of a definition would be read from now, up to where the version has read it; another topic up to its present end. */
async function presentCut(
  reader: LogReader,
  { topic }: CompiledSource,
  version: ViewVersion,
  read: ReadTopic | null,
  clock: Clock,
): Promise<Cut | null> {
  if (topic === null) return null;
  const now = await takeCut(reader, topic, clock);
  if (topic !== version.topic || read === null) return now;
  const partitions = now.partitions.flatMap(({ partition, lowOffset }) => {
    const stretch = read.partitions.get(partition);
    // What the version began with later than the topic does now is not there any more for it alone.
    return stretch === undefined ? [] : [{ partition, lowOffset, endOffset: Math.max(lowOffset, stretch.until) }];
  });
  return { ...now, partitions };
}

/** The files that a version named, where there are no others now: then both read the very same. */
async function presentFiles(
  before: CompiledSource,
  after: CompiledSource,
  version: ViewVersion,
): Promise<Pick<DiffSide, 'reads'>> {
  if (after.history === null) return { reads: null };
  const named = version.history?.files ?? [];
  if (named.length === 0 || before.history?.path !== after.history.path) return {};
  return (await filesNotIn(after, named)) === 0 ? { reads: historyOf(after, version) } : {};
}
