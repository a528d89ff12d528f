import { readFileSync } from 'node:fs';
import type { AlertCase } from './alert-case.ts';

export const ALERTS_FILE = 'ops/alerts.yaml';

/** A rule of the file, as far as our tests look into it; promtool reads the whole. */
export interface AlertRule {
  readonly name: string;
  readonly severity: string;
  readonly summary: string;
  readonly description: string;
  readonly runbook: string;
}

/** The rules of `ops/alerts.yaml`, by the lines each begins with. Throws where one lacks a line. */
export function alertRules(text = readFileSync(ALERTS_FILE, 'utf8')): AlertRule[] {
  return text
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map((block) => {
      const field = (pattern: RegExp): string => {
        const found = pattern.exec(block)?.[1];
        if (found === undefined) throw new Error(`no ${pattern} in the rule ${block}`);
        return found.replace(/^'(.*)'$/, (_, quoted: string) => quoted.replaceAll("''", "'"));
      };
      return {
        name: field(/^(\w+)\n/),
        severity: field(/^ {8}labels: \{ severity: (\w+) \}$/m),
        summary: field(/^ {10}summary: (.+)$/m),
        description: field(/^ {10}description: (.+)$/m),
        runbook: field(/^ {10}runbook: (.+)$/m),
      };
    });
}

/** The file of cases that `promtool test rules` runs. */
export function ruleTests(rules: readonly AlertRule[], cases: readonly AlertCase[], rulesPath: string): string {
  return JSON.stringify({
    rule_files: [rulesPath],
    evaluation_interval: '1m',
    tests: cases.flatMap((one) => [test(one, one.fires, [fired(rules, one)]), test(one, one.quiet, [])]),
  });
}

function test({ alert, at }: AlertCase, series: AlertCase['fires'], expected: readonly object[]): object {
  return {
    name: `${alert} ${expected.length === 0 ? 'is quiet' : 'fires'}`,
    interval: '1m',
    input_series: series.map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: expected }],
  };
}

function fired(rules: readonly AlertRule[], { alert, labels, value }: AlertCase): object {
  const rule = rules.find(({ name }) => name === alert);
  if (rule === undefined) throw new Error(`a case of ${alert}, which is no alert`);
  const shown = (text: string): string =>
    text
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
      .replaceAll(/\{\{ \$value[^}]*\}\}/g, value ?? 'no value is expected');
  return {
    exp_labels: { severity: rule.severity, ...labels },
    exp_annotations: { summary: shown(rule.summary), description: shown(rule.description), runbook: rule.runbook },
  };
}
