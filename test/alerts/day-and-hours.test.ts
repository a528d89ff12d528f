import { expect, test } from 'vitest';
import { belongs, stepAlerts } from '../../engine/alerts/alert-course.ts';
import type { BucketResult, Deviation } from '../../engine/alerts/evaluate-bucket.ts';
import { NO_PATHS } from '../../engine/alerts/monitor-paths.ts';
import { traceCauses } from '../../engine/alerts/trace-causes.ts';

const HOUR_MS = Date.parse('2026-06-01T12:00Z');

function resultOf(origin: string, beginMs: number): BucketResult {
  const deviation: Deviation = {
    subject: { place: 'source', object: 'flights', field: 'delay', segment: { name: 'origin', value: origin } },
    statistic: 'coverage',
    value: 0,
    usual: 1,
    score: -50,
    chance: 1e-9,
    matters: true,
    weeks: 8,
    count: 40,
    times: 1,
    sinceMs: beginMs,
  };
  return { beginMs, deviations: [deviation], series: new Map(), tested: 1 };
}

test('what an hour told of a segment, its day tells no second time; of another segment it does', () => {
  const result = resultOf('LAX', HOUR_MS);
  const causes = traceCauses(result, NO_PATHS);
  const atMs = HOUR_MS + 65 * 60_000;
  const [step] = stepAlerts({ installation: 'default', grain: 'hour', atMs, result, causes, alerts: [] });
  const ofDay = (origin: string) => traceCauses(resultOf(origin, Date.parse('2026-06-01')), NO_PATHS)[0]!;
  expect(belongs(ofDay('LAX'), step!.alert)).toBe(true);
  expect(belongs(ofDay('SFO'), step!.alert)).toBe(false);
});
