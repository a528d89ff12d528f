import type { CompiledMonitor } from '../define/compiled-monitor.ts';
import type { MonitorSubject } from '../monitors/monitor-bucket.ts';
import type { BucketResult, Deviation } from './evaluate-bucket.ts';
import { subjectKey } from './subject-text.ts';
import { THRESHOLDS } from './thresholds.ts';
import type { Cause, SuspectedPlace } from './trace-causes.ts';

/** A monitor as code: a bound on a statistic of a subject, whatever is usual. Plain data, of `monitor({ on, segment, metric, threshold })`. */
export type MonitorRule = CompiledMonitor;

const PLACE: Readonly<Record<MonitorSubject['place'], SuspectedPlace>> = {
  source: 'source',
  view: 'transformation',
  store: 'store',
  served: 'serving',
};

/** What rules say of a bucket. A volume counts whatever it is; a share of fewer than 30 records tells nothing. */
export function judgeRules(rules: readonly MonitorRule[], result: BucketResult): (Cause & { readonly rule: string })[] {
  return rules.flatMap(({ name, subject, metric, least, most }) => {
    const series = result.series.get(subjectKey(subject));
    const value = series?.figures.values[metric];
    if (series === undefined || value === undefined) return [];
    if (metric !== 'volume' && series.figures.count < THRESHOLDS.leastRecords) return [];
    const isLess = least !== null && value < least;
    if (!isLess && !(most !== null && value > most)) return [];
    const headline: Deviation = {
      subject,
      statistic: metric,
      value,
      usual: (isLess ? least : most)!,
      score: value - (isLess ? least : most)!,
      chance: 0,
      matters: true,
      weeks: 0,
      times: 1,
      count: series.figures.count,
      sinceMs: result.beginMs,
    };
    const place = subject.place === 'source' && subject.segment !== null ? 'producer' : PLACE[subject.place];
    return [
      { kind: 'rule', place, root: subject, headline, sinceMs: result.beginMs, deviations: [headline], rule: name },
    ];
  });
}
