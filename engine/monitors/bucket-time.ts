import type { Clock } from '../values/clock.ts';
import type { MonitorGrain } from './monitor-bucket.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** 1970-01-05, a Monday. */
const MONDAY_MS = 4 * DAY_MS;
/** What lies so far from the newest record is no hour of its own, and no day. */
export const HOURS_FOR_MS = 8 * DAY_MS;
export const DAYS_FOR_MS = 8 * WEEK_MS;

/** What no clock of a record is later than, as of now: a day ahead. */
export function latestUs(clock: Clock): number {
  return clock.nowUs() + DAY_MS * 1000;
}

/** Where a bucket of event time begins. */
export interface BucketTime {
  readonly grain: MonitorGrain;
  readonly beginMs: number;
}

const LENGTHS: Readonly<Record<MonitorGrain, number>> = { hour: HOUR_MS, day: DAY_MS, week: WEEK_MS };

/** How long a bucket is, ms. */
export function lengthMs(grain: MonitorGrain): number {
  return LENGTHS[grain];
}

/** The begin of the bucket that a time lies in, UTC epoch ms. Weeks begin on Monday, UTC. */
export function beginOf(grain: MonitorGrain, timeMs: number): number {
  const offset = grain === 'week' ? MONDAY_MS : 0;
  return Math.floor((timeMs - offset) / LENGTHS[grain]) * LENGTHS[grain] + offset;
}

/**
 * The bucket of a time as one number: its hour, UTC epoch ms; of a time more than 8 days ahead of what there can be, its week and 1 ms. So a clock that jumped
 * makes no bucket per hour of years to come.
 *
 * @param latestUs what there can be: when the record came
 */
export function bucketKey(timeUs: number, latestUs: number): number {
  if (timeUs - latestUs > HOURS_FOR_MS * 1000) return beginOf('week', timeUs / 1000) + 1;
  return Math.floor(timeUs / (HOUR_MS * 1000)) * HOUR_MS;
}

/** The bucket that such a number stands for. */
export function timeOfKey(key: number): BucketTime {
  const beginMs = Math.floor(key / HOUR_MS) * HOUR_MS;
  return { grain: beginMs === key ? 'hour' : 'week', beginMs };
}

/**
 * The bucket that takes what lies in a finer one, by the newest time that records told of: a day once it ended 8 days before that, a week once it ended 8 weeks
 * before. So which buckets there are is a function of the records alone.
 */
export function settledTime({ grain, beginMs }: BucketTime, newestMs: number | null): BucketTime {
  if (newestMs === null) return { grain, beginMs };
  if (grain === 'week' || isOver('week', beginMs, newestMs, DAYS_FOR_MS))
    return { grain: 'week', beginMs: beginOf('week', beginMs) };
  if (grain === 'day' || isOver('day', beginMs, newestMs, HOURS_FOR_MS))
    return { grain: 'day', beginMs: beginOf('day', beginMs) };
  return { grain, beginMs };
}

function isOver(grain: MonitorGrain, timeMs: number, newestMs: number, keptMs: number): boolean {
  const beginMs = beginOf(grain, timeMs);
  return beginMs + LENGTHS[grain] <= newestMs - keptMs;
}
