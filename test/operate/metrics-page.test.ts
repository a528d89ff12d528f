import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { METRICS } from '../../config/metric-list.ts';
import { metricsPage } from '../../scripts/metrics-page.ts';

it('docs/metrics.md is what `node scripts/write-metrics-page.ts` writes', () => {
  expect(readFileSync('docs/metrics.md', 'utf8')).toBe(metricsPage());
});

it('metrics are named by kind and unit, and none has an unbounded label', () => {
  for (const [name, { kind, labels, help }] of Object.entries(METRICS)) {
    const unbounded = (labels as readonly string[]).filter((label) =>
      /entity|offset|request_id|token|path/.test(label),
    );
    expect([name, name.endsWith('_total'), unbounded]).toEqual([name, kind === 'counter', []]);
    expect(`${name}: ${help}`).toMatch(/: [A-Z01].*\.$/);
  }
});
