import { describe, expect, test } from 'vitest';
import { evaluateBucket, type SeriesResult } from '../../engine/alerts/evaluate-bucket.ts';
import type { Figures } from '../../engine/alerts/figures.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { subjectKey } from '../../engine/alerts/subject-text.ts';
import type { MonitorBucket, MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const FROM_MS = Date.parse('2026-01-05T00:00Z');
const WEEKS = 12;

const records: MonitorSubject = { place: 'source', object: 'flights', field: null, segment: null };
const field: MonitorSubject = { ...records, field: 'delay' };
const feature: MonitorSubject = { place: 'store', object: 'delays', field: 'mean', segment: null };

/** What weeks of buckets come to, each judged against those before it; null: there is none. */
function deviationsOf(
  subjects: readonly MonitorSubject[],
  bucketOf: (subject: MonitorSubject, beginMs: number) => MonitorBucket | null,
): string[] {
  const told: string[] = [];
  const known = new Map<string, SeriesResult>();
  const slots = new Map<string, Figures[]>();
  for (let beginMs = FROM_MS; beginMs < FROM_MS + WEEKS * WEEK_MS; beginMs += HOUR_MS) {
    const slotOf = (key: string): string => `${(beginMs / HOUR_MS) % 168} ${key}`;
    const inputs = subjects.flatMap((subject) => {
      const key = subjectKey(subject);
      const bucket = bucketOf(subject, beginMs);
      // As the evaluation has it: of values that nobody had nothing is told.
      if (bucket === null && subject.field !== null) return [];
      const past = slots.get(slotOf(key)) ?? [];
      const memory = known.get(key)?.memory ?? NO_MEMORY;
      return [{ subject, bucket, reference: [], past, memory, isTested: true }];
    });
    const { deviations, series } = evaluateBucket('hour', beginMs, inputs);
    told.push(...deviations.map(({ statistic }) => `${new Date(beginMs).toISOString()} ${statistic}`));
    for (const [key, result] of series) {
      known.set(key, result);
      slots.set(slotOf(key), [result.figures, ...(slots.get(slotOf(key)) ?? [])].slice(0, 8));
    }
  }
  return told;
}

const recordsOf = (beginMs: number, count: number): MonitorBucket => ({
  ...records,
  grain: 'hour',
  beginMs,
  count,
  values: null,
  records: { invalid: new Map(), leftOut: new Map(), lagSumMs: count * 1_000, found: null },
});
const valuesOf = (subject: MonitorSubject, beginMs: number, count: number, nulls: number): MonitorBucket => ({
  ...subject,
  grain: 'hour',
  beginMs,
  count,
  values: {
    nulls,
    numbers: { sum: 10 * (count - nulls), squares: 125 * (count - nulls), zeros: 0 },
    bins: new Map(nulls === count ? [] : [[100, count - nulls]]),
    top: null,
    distinct: null,
  },
  records: null,
});
/** A few more or fewer each week. */
const about = (count: number, beginMs: number): number => count + ((Math.floor(beginMs / WEEK_MS) * 7) % 5) * 4;

describe('no alarm is raised', () => {
  test('of a feature that is always null', () => {
    const told = deviationsOf([feature], (subject, beginMs) => {
      const count = about(500, beginMs);
      return valuesOf(subject, beginMs, count, count);
    });
    expect(told).toEqual([]);
  });

  test('of hours that never have data, nor of the few records they may have', () => {
    const told = deviationsOf([records, field], (subject, beginMs) => {
      const hour = (beginMs / HOUR_MS) % 24;
      const week = Math.floor((beginMs - FROM_MS) / WEEK_MS);
      // A night without any, but for a handful now and then, all of them null.
      if (hour < 6) {
        if (week % 3 !== 1 || hour !== 2) return null;
        return subject.field === null ? recordsOf(beginMs, 9) : valuesOf(subject, beginMs, 9, 9);
      }
      const count = about(400, beginMs);
      return subject.field === null ? recordsOf(beginMs, count) : valuesOf(subject, beginMs, count, 4);
    });
    expect(told).toEqual([]);
  });

  test('of a source that begins, and of one that has a handful of records for ever', () => {
    const begins = deviationsOf([records], (_, beginMs) =>
      beginMs < FROM_MS + 3.5 * WEEK_MS ? null : recordsOf(beginMs, about(300, beginMs)),
    );
    // It is a change of what was there: said once it has begun, in no hour of the weeks before.
    expect(begins.filter((text) => text < new Date(FROM_MS + 3.5 * WEEK_MS).toISOString())).toEqual([]);
    expect(deviationsOf([records], (_, beginMs) => recordsOf(beginMs, (beginMs / HOUR_MS) % 7))).toEqual([]);
  });
});
