import type { CompiledView } from '../define/compiled-view.ts';
import { formatDuration } from '../define/duration.ts';
import { haveSameStates } from '../define/state-tag.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { processHashes } from '../history/file-hashes.ts';
import { filesSince } from '../history/files-since.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { type StreamOffset, streamOffsets } from '../postgres/stream-offsets.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { checkAnchor } from '../topic/check-anchor.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { removableBeforeUs } from '../state/removable-rows.ts';
import { highestWatermark } from '../topic/watermark.ts';

export interface ObstacleOptions {
  readonly view: CompiledView;
  /** Whose states they would be. */
  readonly live: ViewVersion;
  readonly pool: Queryable;
  readonly reader: Pick<LogReader, 'bounds' | 'recordAt'> | null;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Why a version of a view cannot be made of the states of the live one, in words; null where it can: both hold the same of the same log, and the log
 * is the one there is now.
 *
 * @throws MillraceError what `presentHistory` and the reader throw
 * @example
 * await statesObstacle({ view, live, pool, reader }); // 'the history has 1 file more: 2026-07-02.parquet'
 */
export async function statesObstacle(options: ObstacleOptions): Promise<string | null> {
  const { view, live, pool, signal } = options;
  const { source, tags } = view;
  if (live.tags === null || tags === undefined) return `version ${live.version} is older than tags`;
  if (!haveSameStates(live.tags, tags) || live.semantics !== view.layout.semantics)
    return `its states are not those of version ${live.version}`;
  if (live.source !== source.name || live.topic !== source.topic) return `version ${live.version} reads another log`;
  if (source.history !== null) {
    const since = await filesSince(source, live.history?.files ?? [], processHashes, signal);
    if (since !== null) return `since version ${live.version} the history has ${since}`;
  }
  if (source.topic === null) return null;
  if (hasRemovedRows(view, live, await streamOffsets(pool, view.name, live.version)))
    return `rows that had expired in version ${live.version} were removed, and would be found: ${expiryText(live.layout)} there, ${expiryText(view.layout)} here`;
  return await topicObstacle(options, source.topic);
}

/** Whether rows of a version are gone that another definition of the same states does not do without yet. */
export function hasRemovedRows(
  view: CompiledView,
  { expiredBeforeUs, historyWatermarkUs }: Pick<ViewVersion, 'expiredBeforeUs' | 'historyWatermarkUs'>,
  offsets: readonly Pick<StreamOffset, 'watermarkUs'>[],
): boolean {
  if (expiredBeforeUs === null) return false;
  const beforeUs = removableBeforeUs(view, highestWatermark(offsets, historyWatermarkUs));
  return beforeUs === null || beforeUs < expiredBeforeUs;
}

function expiryText({ expireUs }: ViewLayout): string {
  return expireUs === undefined ? 'no expire' : `expire ${formatDuration(expireUs)}`;
}

/** A topic that is not the one that was read any more is read anew, and not gone on with. */
async function topicObstacle({ view, live, pool, reader }: ObstacleOptions, topic: string): Promise<string | null> {
  const { version, cut } = live;
  if (cut === null) return `version ${version} was made without a cut`;
  if (reader === null) return `topic ${topic} cannot be asked`;
  const bounds = await reader.bounds(topic);
  if (bounds.clusterId !== cut.clusterId)
    return `topic ${topic} is on another Kafka cluster than version ${version} read`;
  for (const { partition, nextOffset, anchorOffset, anchorDigest } of await streamOffsets(pool, view.name, version)) {
    const held = bounds.partitions.find((each) => each.partition === partition);
    if (held === undefined || held.endOffset < nextOffset || held.lowOffset > nextOffset)
      return `topic ${topic}, partition ${partition} does not hold offset ${nextOffset}, where version ${version} stands`;
    if (anchorOffset === null || anchorDigest === null) continue;
    try {
      await checkAnchor({ reader, topic, partition, held }, { offset: anchorOffset, digest: anchorDigest });
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'topic-recreated') throw error;
      return error.message;
    }
  }
  return null;
}
