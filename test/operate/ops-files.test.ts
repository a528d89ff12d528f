import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METRICS, TEMPORAL_METRICS } from '../../config/metric-list.ts';
import { dashboardJson } from '../../scripts/dashboard.ts';
import { ALERT_CASES } from './alert-cases.ts';
import { alertRules, ALERTS_FILE, ruleTests } from './alert-rules.ts';
import { type ProductTool, promtool, schemaChecker } from './product-tools.ts';

/** Tools are built once, on two cores that others use. */
const MADE_WITHIN_MS = 1_200_000;
const DASHBOARD_FILE = 'ops/dashboard.json';

const folder = mkdtempSync(join(tmpdir(), 'millrace-ops-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The metrics that a text of PromQL names; of a histogram its name without what Prometheus adds. */
function unknownMetrics(text: string): string[] {
  const named = new Set([...text.matchAll(/\b(?:millrace|temporal)_[a-z0-9_]+/g)].map(([name]) => name));
  const known = (name: string): boolean => {
    const base = name.replace(/_(?:bucket|sum|count)$/, '');
    const own: { readonly kind: string } | undefined = METRICS[base as keyof typeof METRICS];
    return name in METRICS || name in TEMPORAL_METRICS || own?.kind === 'histogram';
  };
  return [...named].filter((name) => !known(name));
}

function expressions(): string[] {
  const { panels } = JSON.parse(dashboardJson()) as { panels: { targets?: { expr: string }[] }[] };
  return panels.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr));
}

describe('alert rules', () => {
  const rules = alertRules();
  let tool: ProductTool;
  beforeAll(async () => {
    tool = await promtool();
  }, MADE_WITHIN_MS);

  it('are rules to Prometheus, and it says so of none that are not', async () => {
    expect(await tool.run('check', 'rules', '--lint=all', '--lint-fatal', ALERTS_FILE)).toMatchObject({
      status: 0,
      output: expect.stringContaining(`SUCCESS: ${rules.length} rules found`) as string,
    });
    const broken = written('broken.yaml', readFileSync(ALERTS_FILE, 'utf8').replace('absent(', 'absent('.repeat(2)));
    expect(await tool.run('check', 'rules', broken)).toMatchObject({ status: 1 });
  });

  it('fire when they are to, and are quiet when not: each has a case of both', async () => {
    expect(new Set(ALERT_CASES.map(({ alert }) => alert))).toEqual(new Set(rules.map(({ name }) => name)));
    const path = written('cases.json', ruleTests(rules, ALERT_CASES, resolve(ALERTS_FILE)));
    const tested = await tool.run('test', 'rules', path);
    expect(tested).toMatchObject({ status: 0, output: expect.stringContaining('SUCCESS') as string });
    // A case that expects otherwise fails.
    const [first] = ALERT_CASES;
    const wrong = written('wrong.json', ruleTests(rules, [{ ...first!, fires: first!.quiet }], resolve(ALERTS_FILE)));
    expect(await tool.run('test', 'rules', wrong)).toMatchObject({ status: 1 });
  });

  it('name metrics that there are', () => {
    expect(
      unknownMetrics(readFileSync(ALERTS_FILE, 'utf8').replaceAll(/^ +(?:summary|description):.*$/gm, '')),
    ).toEqual([]);
    expect(unknownMetrics('rate(millrace_nothing[5m]) / temporal_nothing')).toHaveLength(2);
  });

  it('panels ask what Prometheus can answer', async () => {
    const asked = expressions().map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(?:installation|view)/g, '.*'),
    }));
    const path = written('panels.json', JSON.stringify({ groups: [{ name: 'panels', rules: asked }] }));
    expect(await tool.run('check', 'rules', path)).toMatchObject({ status: 0 });
    expect(asked.length).toBeGreaterThan(25);
  });
});

describe('the dashboard', () => {
  it('is what `node scripts/write-dashboard.ts` writes, and names metrics that there are', () => {
    expect(readFileSync(DASHBOARD_FILE, 'utf8')).toBe(dashboardJson());
    expect(unknownMetrics(expressions().join('\n'))).toEqual([]);
  });

  it(
    'is one to Grafana: nothing lacks, is of another type or unknown, down to the queries',
    async () => {
      const tool = await schemaChecker();
      expect(await tool.run('dashboard', DASHBOARD_FILE)).toMatchObject({ status: 0 });
      for (const [right, wrong] of [
        ['"expr":', '"expression":'],
        ['"schemaVersion": 39', '"schemaVersion": "39"'],
        ['"gridPos":', '"place":'],
      ] as const) {
        const text = dashboardJson();
        expect(text).toContain(right);
        const path = written('wrong.json', text.replace(right, wrong));
        expect(await tool.run('dashboard', path)).toMatchObject({ status: 1 });
      }
    },
    MADE_WITHIN_MS,
  );
});
