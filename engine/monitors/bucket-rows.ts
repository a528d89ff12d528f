import { type BucketState, OTHER } from './bucket-state.ts';
import type { BucketTime } from './bucket-time.ts';
import type { MonitorBucket, MonitorSegment } from './monitor-bucket.ts';
import { SegmentState } from './segment-state.ts';

/** Of a segment's name, the largest are shown; the rest is `other`. */
export const SHOWN_SEGMENTS = 200;
/** Of these, the largest with sketch, top values and distinct ones. */
export const SKETCHED_SEGMENTS = 20;

/**
 * What readers see of a bucket: the whole, and by name its 200 largest segments and `other`; sketches of the whole and of the 20 largest. Size is the number of
 * records; of equals the lesser value comes first.
 *
 * @param sketched of how many segments of a name sketches are shown, where it is fewer
 */
export function bucketRows(
  source: string,
  time: BucketTime,
  bucket: BucketState,
  sketched = SKETCHED_SEGMENTS,
): MonitorBucket[] {
  const rows = segmentRows(source, time, null, bucket.whole, true);
  for (const [name, segments] of bucket.segments) {
    const ranked = segments.ranked();
    for (const [rank, [value, state]] of ranked.slice(0, SHOWN_SEGMENTS).entries())
      rows.push(...segmentRows(source, time, { name, value }, state, rank < sketched));
    const rest = ranked.slice(SHOWN_SEGMENTS);
    if (rest.length === 0 && segments.other === null) continue;
    const other = new SegmentState();
    for (const [, state] of rest) other.merge(state);
    if (segments.other !== null) other.merge(segments.other);
    rows.push(...segmentRows(source, time, { name, value: OTHER }, other, false));
  }
  return rows;
}

function segmentRows(
  object: string,
  { grain, beginMs }: BucketTime,
  segment: MonitorSegment | null,
  state: SegmentState,
  sketched: boolean,
): MonitorBucket[] {
  const of = { place: 'source', object, segment, grain, beginMs } as const;
  const rows: MonitorBucket[] = [{ ...of, field: null, ...state.summary(), values: null }];
  // Of a field whose type was changed within the bucket, what most records have.
  const byName = new Map<string, MonitorBucket>();
  for (const { field, values } of state.fields.values()) {
    const bucket: MonitorBucket = { ...of, field: field.name, ...values.summary(sketched), records: null };
    const before = byName.get(field.name);
    if (before === undefined || before.count < bucket.count) byName.set(field.name, bucket);
  }
  return [...rows, ...byName.values()];
}
