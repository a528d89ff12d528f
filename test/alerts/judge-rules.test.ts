import { describe, expect, test } from 'vitest';
import { stepAlerts } from '../../engine/alerts/alert-course.ts';
import { alertText } from '../../engine/alerts/alert-event.ts';
import type { Alert } from '../../engine/alerts/alert.ts';
import type { BucketResult, SeriesResult } from '../../engine/alerts/evaluate-bucket.ts';
import type { Statistic } from '../../engine/alerts/figures.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { judgeRules, type MonitorRule } from '../../engine/alerts/monitor-rule.ts';
import { subjectKey } from '../../engine/alerts/subject-text.ts';
import type { MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';

const HOUR_MS = 3_600_000;
const NOON_MS = Date.parse('2026-06-01T12:00Z');
const delay: MonitorSubject = { place: 'source', object: 'flights', field: 'delay', segment: null };

function resultOf(
  subject: MonitorSubject,
  count: number,
  values: Readonly<Partial<Record<Statistic, number>>>,
  beginMs = NOON_MS,
): BucketResult {
  const figures = { beginMs, count, values, numbers: null };
  const series: SeriesResult = { subject, figures, memory: NO_MEMORY, judged: new Map() };
  return { beginMs, deviations: [], series: new Map([[subjectKey(subject), series]]), tested: 0 };
}

const rule = (more: Partial<MonitorRule> = {}): MonitorRule => ({
  name: 'known delays',
  subject: delay,
  metric: 'coverage',
  least: 0.9,
  most: null,
  ...more,
});

describe('a monitor in code', () => {
  test('says what is beyond its bounds, and nothing of what is at them', () => {
    const of = (coverage: number, more?: Partial<MonitorRule>) =>
      judgeRules([rule(more)], resultOf(delay, 500, { coverage }));
    expect(of(0.9)).toEqual([]);
    expect(of(0.89)).toMatchObject([
      { kind: 'rule', rule: 'known delays', root: delay, headline: { usual: 0.9, value: 0.89, weeks: 0 } },
    ]);
    expect(of(0.3, { least: 0.2, most: 0.4 })).toEqual([]);
    expect(of(0.5, { least: 0.2, most: 0.4 })).toMatchObject([{ headline: { usual: 0.4 } }]);
    expect(of(0.1, { least: 0.2, most: 0.4 })).toMatchObject([{ headline: { usual: 0.2 } }]);
    expect(of(0.5, { least: null, most: 0.4 })).toHaveLength(1);
  });

  test('says nothing of a few records, or of an hour that has none; a volume counts whatever it is', () => {
    expect(judgeRules([rule()], resultOf(delay, 29, { coverage: 0 }))).toEqual([]);
    expect(judgeRules([rule()], resultOf({ ...delay, field: 'taxi' }, 900, { coverage: 0 }))).toEqual([]);
    expect(judgeRules([rule({ metric: 'mean' })], resultOf(delay, 900, { coverage: 0 }))).toEqual([]);
    const records = { ...delay, field: null };
    const none = judgeRules(
      [rule({ subject: records, metric: 'volume', least: 1 })],
      resultOf(records, 0, { volume: 0 }),
    );
    expect(none).toMatchObject([{ headline: { statistic: 'volume', value: 0, usual: 1 } }]);
  });

  test('is suspected at the place it looks at', () => {
    const placeOf = (subject: MonitorSubject) =>
      judgeRules([rule({ subject })], resultOf(subject, 500, { coverage: 0 }))[0]?.place;
    expect(placeOf(delay)).toBe('source');
    expect(placeOf({ ...delay, segment: { name: 'origin', value: 'ATL' } })).toBe('producer');
    expect(placeOf({ ...delay, place: 'view' })).toBe('transformation');
    expect(placeOf({ ...delay, place: 'store' })).toBe('store');
    expect(placeOf({ ...delay, place: 'served' })).toBe('serving');
  });

  test('opens an alert of its own, which closes after three hours within its bounds', () => {
    let alerts: Alert[] = [];
    const changes = [0.5, 0.4, 0.95, 0.95, 0.95].map((coverage, hour) => {
      const beginMs = NOON_MS + hour * HOUR_MS;
      const result = resultOf(delay, 500, { coverage }, beginMs);
      const causes = judgeRules([rule(), rule({ name: 'other', least: null, most: 1 })], result);
      const steps = stepAlerts({ installation: 'default', grain: 'hour', atMs: beginMs, result, causes, alerts });
      alerts = steps.map(({ alert }) => alert);
      return steps.map(({ change }) => change);
    });
    expect(changes).toEqual([['opened'], [null], [null], [null], ['closed']]);
    expect(alerts).toMatchObject([{ rule: 'known delays', kind: 'rule', headline: { value: 0.4 }, sinceMs: NOON_MS }]);
    expect(alertText(alerts[0]!)).toBe(
      'flights.delay: coverage 40.0 %, where monitor "known delays" allows 90.0 %, since 2026-06-01T12:00Z; first shows at: source',
    );
  });
});
