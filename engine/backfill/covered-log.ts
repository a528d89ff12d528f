import type pg from 'pg';
import type { MillraceErrorCode } from '../errors/error-codes.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { streamOffsets } from '../postgres/stream-offsets.ts';
import { viewVersion } from '../postgres/view-versions.ts';
import type { Cut } from '../topic/cut.ts';

/** The log that a version holds: what another that takes over from it without being asked must not fall short of. */
export interface CoveredLog {
  readonly view: string;
  readonly version: number;
  readonly topic: string;
  readonly clusterId: string | null;
  /** Offsets [from, until) of each partition. */
  readonly partitions: readonly { readonly partition: number; readonly from: number; readonly until: number }[];
  readonly historyRows: number;
}

/** What a version was built from and has streamed since; null for one without a topic, whose log is its files as they are. */
export async function coveredLog(pool: pg.Pool, view: string, version: number): Promise<CoveredLog | null> {
  const known = await viewVersion(pool, view, version);
  if (known === null) throw internalBug(`no version ${version} of view "${view}" to be covered`);
  if (known.topic === null) return null;
  const { topic, cut, history } = known;
  const lows = new Map(cut?.partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  const offsets = await streamOffsets(pool, view, version);
  return {
    view,
    version,
    topic,
    clusterId: cut?.clusterId ?? null,
    // A partition that the topic gained after the cut was streamed from its first offset.
    partitions: offsets.map(({ partition, nextOffset }) => ({
      partition,
      from: lows.get(partition) ?? 0,
      until: nextOffset,
    })),
    historyRows: history?.files.reduce((sum, { rows = 0 }) => sum + rows, 0) ?? 0,
  };
}

/** Throws `cluster-changed`, `topic-recreated`, `offsets-gone` where a build up to `cut` would hold less of the topic. */
export function checkTopicCovered(covered: CoveredLog, cut: Cut): void {
  const { topic, clusterId } = covered;
  if (clusterId !== null && clusterId !== cut.clusterId)
    throw notCovered(
      'cluster-changed',
      covered,
      `topic ${topic} is on Kafka cluster ${cut.clusterId} now, and was on ${clusterId}`,
    );
  const now = new Map(cut.partitions.map((part) => [part.partition, part]));
  const gone: string[] = [];
  for (const { partition, from, until } of covered.partitions) {
    const held = now.get(partition);
    if (until <= from) continue;
    if (held === undefined || held.endOffset < until)
      throw notCovered(
        'topic-recreated',
        covered,
        `topic ${topic}, partition ${partition} was read up to ${until} and ends at ${held?.endOffset ?? 0} now`,
      );
    if (held.lowOffset > from) gone.push(`partition ${partition}: ${from} to ${Math.min(held.lowOffset, until) - 1}`);
  }
  if (gone.length > 0)
    throw notCovered('offsets-gone', covered, `topic ${topic} and its archive have no longer ${gone.join(', ')}`);
}

/** Throws `history-changed` where the history that was read has fewer rows. */
export function checkHistoryCovered(covered: CoveredLog, files: readonly { readonly rows: number }[]): void {
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  if (rows >= covered.historyRows) return;
  throw notCovered('history-changed', covered, `the history had ${covered.historyRows} rows and has ${rows}`);
}

function notCovered(code: MillraceErrorCode, { view, version }: CoveredLog, what: string): MillraceError {
  return new MillraceError(
    code,
    `view "${view}": a version built now would hold less of the log than version ${version} does: ${what}`,
    {
      remedy:
        'Bring back what is missing and send "retry", or send "rebackfill" to accept the shorter log. Until then what is served stays served.',
      httpStatus: 409,
      details: { view, version },
    },
  );
}
