import type { MonitorBucket, MonitorGrain, MonitorSubject } from '../monitors/monitor-bucket.ts';
import { benjaminiHochberg } from '../statistics/benjamini-hochberg.ts';
import { type Figures, figuresOf, type Statistic } from './figures.ts';
import { type Judgement, judgeSeries, type SeriesMemory } from './judge-series.ts';
import { subjectKey } from './subject-text.ts';
import { THRESHOLDS } from './thresholds.ts';

/** A closing bucket of one subject, and what is known of it. */
export interface SeriesInput {
  readonly subject: MonitorSubject;
  /** Null: there is none, which tells of records that none came. */
  readonly bucket: MonitorBucket | null;
  /** Buckets that its distribution is held to: the same hour of the days before. */
  readonly reference: readonly MonitorBucket[];
  /** The same hour of the weeks before (the same weekday, for days), 8 at most. */
  readonly past: readonly Figures[];
  readonly memory: SeriesMemory;
  /** False: it is looked at and remembered, and nothing is concluded from it. */
  readonly isTested: boolean;
}

/** Something is not as usual: enough of it, for long enough, and not by chance. */
export interface Deviation extends Judgement {
  readonly subject: MonitorSubject;
  /** The first bucket in which it was so. */
  readonly sinceMs: number;
}

/** What a bucket of a series came to. */
export interface SeriesResult {
  readonly subject: MonitorSubject;
  readonly figures: Figures;
  readonly memory: SeriesMemory;
  /** By statistic, of those that could be judged. */
  readonly judged: ReadonlyMap<Statistic, Judgement>;
}

/** What a closing bucket came to. */
export interface BucketResult {
  readonly beginMs: number;
  readonly deviations: readonly Deviation[];
  /** By `subjectKey`. */
  readonly series: ReadonlyMap<string, SeriesResult>;
  /** How many questions were asked at once. */
  readonly tested: number;
}

const LENGTH_MS = { hour: 3_600_000, day: 86_400_000 } as const;

/**
 * Judges all series whose bucket closes together: each statistic against its own past, all of them at once by Benjamini and Hochberg, and of what is left
 * what is large enough, and out of the usual for as many buckets as its statistic asks.
 *
 * @example
 * const { deviations, series } = evaluateBucket('hour', beginMs, inputs);
 */
export function evaluateBucket(
  grain: Exclude<MonitorGrain, 'week'>,
  beginMs: number,
  inputs: readonly SeriesInput[],
): BucketResult {
  const wholes = new Map<string, number>();
  for (const { subject, bucket } of inputs)
    if (subject.segment === null && subject.field === null && bucket !== null)
      wholes.set(`${subject.place} ${subject.object}`, bucket.count);
  const all = inputs.map((input) => {
    const { subject, past, memory, bucket, reference } = input;
    const isWhole = subject.segment === null;
    const wholeCount = wholes.get(`${subject.place} ${subject.object}`) ?? 0;
    const { figures, distance } = figuresOf(beginMs, bucket, reference, isWhole ? null : wholeCount);
    const judged = judgeSeries({ place: subject.place, isWhole, wholeCount, figures, distance, past, memory });
    return { input, figures, ...judged };
  });
  const asked = all.flatMap(({ input, judgements }) =>
    input.isTested ? judgements.map((judgement) => ({ key: subjectKey(input.subject), judgement })) : [],
  );
  const rejected = benjaminiHochberg(
    asked.map(({ judgement }) => judgement.chance),
    THRESHOLDS.falseRate,
  );
  const out = new Set(
    asked.flatMap(({ key, judgement }, index) =>
      rejected[index]! && judgement.matters ? [`${judgement.statistic} ${key}`] : [],
    ),
  );
  const deviations: Deviation[] = [];
  const series = new Map<string, SeriesResult>();
  for (const { input, figures, judgements, squares } of all) {
    const key = subjectKey(input.subject);
    const outNow: Partial<Record<Statistic, { sinceMs: number; lastMs: number }>> = {};
    for (const judgement of judgements) {
      const { statistic } = judgement;
      if (!out.has(`${statistic} ${key}`)) continue;
      const before = input.memory.out[statistic];
      const isNext = before !== undefined && before.lastMs === beginMs - LENGTH_MS[grain];
      const sinceMs = isNext ? before.sinceMs : beginMs;
      outNow[statistic] = { sinceMs, lastMs: beginMs };
      if (isNext || THRESHOLDS.buckets[statistic] === 1)
        deviations.push({ ...judgement, subject: input.subject, sinceMs });
    }
    series.set(key, {
      subject: input.subject,
      figures,
      memory: { squares, out: outNow },
      judged: input.isTested ? new Map(judgements.map((each) => [each.statistic, each])) : new Map(),
    });
  }
  return { beginMs, deviations, series, tested: asked.length };
}
