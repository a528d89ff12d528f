import { html } from 'hono/html';
import type { BaselineSummary } from '../../engine/monitors/baseline.ts';
import type { ModelVersion } from '../../engine/postgres/model-versions.ts';
import { shareBars } from '../markup/histogram-plot.ts';
import { linePlot } from '../markup/line-plot.ts';
import { rangePlot } from '../markup/range-plot.ts';
import type { Markup } from '../page.ts';

/** So many versions and metrics are drawn, and so many null rates. */
const VERSIONS = 20;
const METRICS = 9;
const NULLS = 15;
/** A metric's interval, and what it is held to, go by these names beside its own. */
const BESIDE = /(?:Low|High|Base)$/;

/** The numbers among the metrics of versions: with intervals by version below each other, others over the time of publication. */
export function metricPlots(versions: readonly ModelVersion[], shown: ModelVersion): Markup {
  const drawn = versions.slice(0, VERSIONS).toReversed();
  const names = Object.entries(shown.metrics ?? {})
    .filter(([name, value]) => typeof value === 'number' && !BESIDE.test(name))
    .map(([name]) => name)
    .slice(0, METRICS);
  if (names.length === 0) return html``;
  const plots = names.map((name) => {
    const ranges = drawn.flatMap((version) => {
      const [value, low, high] = [name, `${name}Low`, `${name}High`].map((one) => numberOf(version, one));
      if (value == null || low == null || high == null) return [];
      return [{ name: `version ${version.version}`, value, low, high }];
    });
    if (ranges.length > 0) return rangePlot(`${name}, with its interval`, ranges);
    return linePlot(
      name,
      drawn.map((version) => ({ us: version.publishedAtUs, value: numberOf(version, name) })),
    );
  });
  return html`<div class="plots">${plots}</div>`;
}

/** The columns with the most nulls of a training set. */
export function nullRatePlot(baseline: ReadonlyMap<string, BaselineSummary>): Markup {
  const rates = [...baseline].flatMap(([name, { count, values }]) =>
    count === 0 || values.nulls === 0 ? [] : [{ name, share: values.nulls / count, before: null }],
  );
  if (rates.length === 0) return html``;
  const worst = rates.toSorted((a, b) => b.share - a.share || (a.name < b.name ? -1 : 1)).slice(0, NULLS);
  return shareBars(
    `Null rates of the training set, ${worst.length} of ${rates.length} columns that have nulls`,
    worst,
    null,
  );
}

function numberOf({ metrics }: ModelVersion, name: string): number | null {
  const value = metrics?.[name];
  return typeof value === 'number' ? value : null;
}
