import { ServiceError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { asActivity } from '../../activities/activity-error.ts';
import { auditSummary } from '../../activities/audit-view.ts';
import { exportResultBytes, refuseLargeExport } from '../../activities/export-size.ts';
import { asMillraceError } from '../../cli/as-millrace-error.ts';
import type { AuditResult } from '../../engine/parity/audit-types.ts';
import { RESULT_MOST_BYTES } from '../../workflows/bounded.ts';
import type { ExportSummary } from '../../workflows/export-training-set/contract.ts';

test('a result that Temporal would not take is refused by name, at once', async () => {
  const large = asActivity('by-error', async () => ({ names: ['x'.repeat(3 << 20)] }));
  await expect(new MockActivityEnvironment().run(large, {})).rejects.toMatchObject({
    type: 'result-too-large',
    nonRetryable: true,
    message: expect.stringMatching(/^a result of 31\d{5} bytes; Temporal takes \d+$/),
  });
});

test('a Temporal that does not answer is named as such, and is waited for', () => {
  const wire = Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'connection dropped', metadata: {} });
  expect(asMillraceError(new ServiceError('failed to describe', { cause: wire }))).toMatchObject({
    code: 'temporal-unavailable',
    waits: true,
    message: expect.stringContaining('connection dropped'),
  });
});

/** A service of views with this many features each, whose names are as long as names may be. */
function serviceOf(views: number, features: number): Parameters<typeof refuseLargeExport>[0] {
  const named = (what: string, index: number): string => `${what}_${index}`.padEnd(40, 'x');
  const layout = { features: Array.from({ length: features }, (_, index) => ({ name: named('feature', index) })) };
  return {
    name: 'model',
    // In roles, which are told beside their views.
    blocks: Array.from({ length: views }, (_, index) => ({
      name: named('role', index),
      view: { name: named('view', index), layout },
    })),
  };
}

test('an export that would have more to say than Temporal takes is refused before it begins', () => {
  const refused = expect.objectContaining({ code: 'result-too-large', httpStatus: 409 });
  expect(() => refuseLargeExport(serviceOf(4, 1_400), false)).not.toThrow();
  expect(() => refuseLargeExport(serviceOf(8, 1_500), false)).toThrow(refused);
  expect(() => refuseLargeExport(serviceOf(1, 1_000), true)).not.toThrow();
  expect(() => refuseLargeExport(serviceOf(2, 1_500), true)).toThrow(refused);
});

test('what an export comes to is no more than was reckoned', () => {
  const of = serviceOf(3, 100);
  const [own, ...blocks] = of.blocks;
  // What it derives is told as one more of its blocks is.
  const service = { ...of, name: own!.name, blocks, derived: own!.view.layout.features };
  const columns = of.blocks.flatMap(({ name, view }) =>
    view.layout.features.map((feature) => ({ view: view.name, role: name, feature: feature.name })),
  );
  const [n, share] = [123_456_789_012_345, 0.000_123_456_789_012_345_6];
  const kinds = { 'producer-lag': n, 'pipeline-lag': n, ahead: n, 'not-published': n };
  const columnOf = ({ role, feature }: (typeof columns)[number]): string => `${role}__${feature}`;
  const compared = columns.map((of) => {
    const absolute = { labels: n, mean: -1.234_567_890_123_456e-300, max: 1.234_567_890_123_456e300 };
    const split = { ...kinds, several: n, other: n };
    const nulls = { nullEventTime: n, nullAsServed: n };
    return { ...of, column: columnOf(of), labels: n, differing: n, share, absolute, ...nulls, kinds, split };
  });
  const path = `/data/${'long/'.repeat(800)}training.parquet`;
  const summary: ExportSummary = {
    service: service.name,
    mode: 'event-time',
    out: path,
    manifest: `${path}.manifest.json`,
    rows: n,
    sizeBytes: n,
    sha256: 'f'.repeat(64),
    features: columns.map((of) => ({ column: columnOf(of), nullRate: share, errors: { 'value-out-of-range': n } })),
    rowsNull: of.blocks.flatMap(({ name }) =>
      (['not-served', 'not-logged'] as const).map((why) => ({ of: name, why, rows: n })),
    ),
    comparison: null,
  };
  expect(JSON.stringify(summary).length).toBeLessThan(exportResultBytes(service, false));
  const comparison = { labels: n, labelsDiffering: n, features: compared, json: path, svg: path };
  const whole = JSON.stringify({ ...summary, comparison }).length;
  expect(whole).toBeLessThan(exportResultBytes(service, true));
  expect(whole).toBeGreaterThan(exportResultBytes(service, true) * 0.7);
});

test('an audit that finds everything wrong in a wide view still reports it', () => {
  const cells = Array.from({ length: 1_590 }, (_, index) => ({
    feature: `feature_${index}`.padEnd(40, 'x'),
    expected: 'e'.repeat(10_000),
    received: null,
  }));
  const records = Array.from({ length: 200 }, (_, offset) => ({
    partition: 0,
    offset,
    eventTime: '2026-01-01T00:00:00.000000Z',
  }));
  const differences = Array.from({ length: 100 }, (_, number) => ({
    number,
    entity: { person: 'p'.repeat(2_000) },
    seq: 1,
    asOf: '2026-01-01T00:00:00.000000Z',
    requestId: 'r'.repeat(128),
    cause: 'unexplained' as const,
    detail: 'd'.repeat(50_000),
    cells,
    records,
  }));
  const result: AuditResult = {
    auditId: 1,
    view: 'v'.repeat(40),
    version: 1,
    fingerprint: 'f'.repeat(64),
    kind: 'audit',
    verdict: 'broken',
    seq: 1,
    entities: 100,
    reads: 0,
    cellsCompared: 159_000,
    cellsDiffering: 159_000,
    skipped: {},
    causes: { unexplained: 100 },
    differences,
    seconds: 1,
  };
  const summary = auditSummary(result);
  expect(summary.differences).toHaveLength(50);
  expect(summary.differences[0]?.cells[0]?.feature).toBe(cells[0]?.feature);
  expect(JSON.stringify(summary).length).toBeLessThan(RESULT_MOST_BYTES / 2);
});
