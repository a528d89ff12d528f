import { keptBuckets } from '../monitors/kept-buckets.ts';
import type { MonitorBucket } from '../monitors/monitor-bucket.ts';
import { readBuckets } from '../monitors/read-buckets.ts';
import type { Queryable } from '../postgres/queryable.ts';
import type { Alert } from './alert.ts';
import { type BucketResult, evaluateBucket } from './evaluate-bucket.ts';
import type { Figures } from './figures.ts';
import { NO_MEMORY } from './judge-series.ts';
import { mergeBuckets } from './merge-buckets.ts';
import { judgeRules, type MonitorRule } from './monitor-rule.ts';
import { DAY_MS, LENGTH_MS } from './monitor-time.ts';
import { readSeries, type WatchedGrain } from './series-store.ts';
import { nodeKey, subjectKey } from './subject-text.ts';
import { THRESHOLDS } from './thresholds.ts';

/** Days whose same hour a distribution is held to, and weeks a day's is. */
const REFERENCE_DAYS = 7;
const REFERENCE_WEEKS = 4;

/**
 * Ids of open alerts whose buckets are not what they were evaluated as: later records came, and in each of them what the root was of is not large enough
 * to matter any more. What cannot be judged keeps its alert. Nothing is opened by it: a bucket is evaluated once.
 *
 * @param beginMs of the bucket that closes now; an alert that it belongs to is not looked at
 */
export async function amendedAlerts(
  on: Queryable,
  {
    grain,
    beginMs,
    alerts,
    rules,
  }: {
    readonly grain: WatchedGrain;
    readonly beginMs: number;
    readonly alerts: readonly Alert[];
    readonly rules: readonly MonitorRule[];
  },
): Promise<ReadonlySet<string>> {
  const amended = new Set<string>();
  for (const alert of alerts) {
    const buckets = 1 + (alert.lastMs - alert.sinceMs) / LENGTH_MS[grain];
    // What has lasted for days was not late records.
    if (alert.state !== 'open' || alert.lastMs >= beginMs || buckets > THRESHOLDS.untestedBuckets) continue;
    if (await isAmended(on, alert, rules)) amended.add(alert.id);
  }
  return amended;
}

async function isAmended(on: Queryable, alert: Alert, rules: readonly MonitorRule[]): Promise<boolean> {
  const { grain, root, headline, sinceMs, lastMs } = alert;
  const own = alert.members.filter(({ subject }) => nodeKey(subject) === nodeKey(root));
  let isOther = false;
  for (let beginMs = sinceMs; beginMs <= lastMs; beginMs += LENGTH_MS[grain]) {
    const { result, evaluated } = await judgedAnew(on, alert, beginMs);
    const figures = result.series.get(subjectKey(headline.subject))?.figures;
    if (figures === undefined || evaluated === null) return false;
    const { statistic } = headline;
    isOther ||= figures.count !== evaluated.count || figures.values[statistic] !== evaluated.values[statistic];
    if (alert.rule !== null) {
      const isTold = figures.values[statistic] !== undefined;
      if (!isTold || judgeRules(rules, result).some(({ rule }) => rule === alert.rule)) return false;
      continue;
    }
    const judged = own.map(({ subject, statistic }) => result.series.get(subjectKey(subject))?.judged.get(statistic));
    const isJudged = result.series.get(subjectKey(headline.subject))?.judged.has(statistic) === true;
    if (!isJudged || judged.some((each) => each?.matters === true)) return false;
  }
  return isOther;
}

/** A bucket of the alert's root as it is now, against the weeks before it, and the headline's figures as they were evaluated; null: not kept. */
async function judgedAnew(
  on: Queryable,
  { grain, root, headline, members }: Alert,
  beginMs: number,
): Promise<{ readonly result: BucketResult; readonly evaluated: Figures | null }> {
  const { place, object } = root;
  const read = async (fromMs: number, untilMs: number, only?: WatchedGrain): Promise<MonitorBucket[]> => [
    ...(await readBuckets(on, { place, object, segment: 'any', grain: only, fromMs, untilMs })),
    ...(place === 'view' ? (await keptBuckets(on, { fromMs, untilMs })).filter((each) => each.object === object) : []),
  ];
  const lengthMs = LENGTH_MS[grain];
  const buckets = await read(beginMs, beginMs + lengthMs, grain === 'hour' ? 'hour' : undefined);
  const now = mergeBuckets(
    buckets.filter((bucket) => bucket.grain !== 'week'),
    grain,
    beginMs,
  );
  const references: MonitorBucket[] = [];
  if (members.some(({ statistic }) => statistic === 'distance')) {
    if (grain === 'day') references.push(...(await read(beginMs - REFERENCE_WEEKS * 7 * DAY_MS, beginMs, 'day')));
    else
      for (let day = 1; day <= REFERENCE_DAYS; day++)
        references.push(...(await read(beginMs - day * DAY_MS, beginMs - day * DAY_MS + lengthMs, 'hour')));
  }
  const whole = { ...root, field: null, segment: null };
  const subjects = [whole, headline.subject, ...members.map(({ subject }) => subject)];
  const own = new Map(
    subjects
      .filter((subject) => subject.place === place && subject.object === object)
      .map((subject) => [subjectKey(subject), subject]),
  );
  // What the same hour of the next week is held to: this one as it was evaluated, and the weeks before it.
  const kept = await readSeries(on, grain, beginMs + 7 * DAY_MS, [...own.keys()]);
  const inputs = [...own].map(([key, subject]) => {
    const { past: all = [], memory = NO_MEMORY } = kept.get(key) ?? {};
    const past = all.filter((each) => each.beginMs < beginMs);
    const reference = references.filter((bucket) => subjectKey(bucket) === key);
    return { subject, bucket: now.get(key) ?? null, reference, past, memory, isTested: true };
  });
  const evaluated = kept.get(subjectKey(headline.subject))?.past.find((each) => each.beginMs === beginMs);
  return { result: evaluateBucket(grain, beginMs, inputs), evaluated: evaluated ?? null };
}
