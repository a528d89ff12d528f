import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { streamOffsets } from '../postgres/stream-offsets.ts';
import { type LogReader, realEnd } from '../topic/log-reader.ts';

export interface NotedEnds {
  /** Records behind the stored offsets. */
  readonly lag: number;
  /** True where this call noted ends that nobody had noted within `freshMs`. */
  readonly isNews: boolean;
}

/**
 * Notes the present ends of the topic beside the offsets of a version whose stream does not run, so that its lag is seen to grow.
 * Null for a version without a stream's offsets. Throws what `LogReader.bounds` throws.
 *
 * @param options.freshMs what was noted so recently is left: of several workers one tells of it
 * @example
 * const noted = await noteEnds({ pool, reader, view: 'route_delays', version: 3, freshMs: 20_000 });
 */
export async function noteEnds(options: {
  readonly pool: pg.Pool;
  readonly reader: Pick<LogReader, 'bounds'>;
  readonly view: string;
  readonly version: number;
  readonly freshMs: number;
}): Promise<NotedEnds | null> {
  const { pool, reader, view, version, freshMs } = options;
  const offsets = await streamOffsets(pool, view, version);
  const [first] = offsets;
  if (first === undefined) return null;
  const { partitions } = await reader.bounds(first.topic);
  const ends = new Map(partitions.map((each) => [each.partition, realEnd(each)]));
  const { rowCount } = await runSql(
    pool,
    sqlText`
    UPDATE ${CATALOG}.stream_offset o SET end_offset = e.end_offset, updated_at = now()
    FROM unnest(${[...ends.keys()]}::int[], ${[...ends.values()]}::bigint[]) AS e(partition, end_offset)
    WHERE o.view = ${view} AND o.version = ${version} AND o.topic = ${first.topic} AND o.partition = e.partition
      AND o.end_offset < e.end_offset AND NOT EXISTS (
        SELECT FROM ${CATALOG}.stream_offset n
        WHERE n.view = o.view AND n.version = o.version AND n.updated_at >= now() - make_interval(secs => ${freshMs / 1000}))`,
  );
  const lag = offsets.reduce(
    (sum, { partition, nextOffset }) => sum + Math.max(0, (ends.get(partition) ?? nextOffset) - nextOffset),
    0,
  );
  return { lag, isNews: (rowCount ?? 0) > 0 };
}
