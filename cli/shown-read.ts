import { jsonTree } from '../engine/values/composite-text.ts';
import { errorOf, EVERY_FEATURE, type FeatureErrors } from '../engine/values/feature-errors.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import type { JsonTree } from '../engine/values/json-values.ts';
import { shownTree } from '../engine/values/shown-tree.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import type { ViewRead } from '../engine/online/view-read.ts';

/** What a read says, as `get --json` has it. */
export function readJson(layout: ViewLayout, read: ViewRead) {
  const { errors, found, ahead, seq, version, fingerprint } = read;
  return {
    view: layout.view,
    version,
    fingerprint,
    values: Object.fromEntries(shownValues(layout, read)),
    errors,
    found,
    as_of: formatDateTime(read.asOfUs),
    ahead,
    seq,
    freshness_seconds: freshnessSeconds(read),
  };
}

/** Its features and values, as rows of a table. */
export function readRows(layout: ViewLayout, read: ViewRead): [feature: string, value: string][] {
  return shownValues(layout, read).map(([name, value]) => [name, valueText(read.errors, name, value)]);
}

/** What is to be said of it beside its values. */
export function readRemarks({ view }: ViewLayout, read: ViewRead): string {
  const remarks = [`as of ${formatDateTime(read.asOfUs)}`, `version ${read.version}`];
  if (read.errors?.[EVERY_FEATURE] !== undefined)
    remarks.push(
      `the stored state is CORRUPT: "millrace audit ${view}" tells what differs, "millrace rebackfill ${view}" builds it anew`,
    );
  if (!read.found) remarks.push('entity not found, or expired: these are the values of an entity without events');
  if (read.ahead)
    remarks.push('AHEAD: the state holds events at or after that time, so this is not what was known then');
  const seconds = freshnessSeconds(read);
  if (seconds !== null) remarks.push(`fresh to ${seconds.toFixed(1)} s`);
  return remarks.join(' · ');
}

function shownValues({ features }: ViewLayout, { values }: ViewRead): (readonly [string, JsonTree])[] {
  return features.map(({ name, result }, index) => [name, jsonTree(result, values[index] ?? null)]);
}

function freshnessSeconds({ freshnessUs }: ViewRead): number | null {
  return freshnessUs === null ? null : freshnessUs / 1_000_000;
}

/** A value as a table has it: texts as they are, lists and maps shortened; for a null why there is no value, where an error is the reason. */
export function valueText(errors: FeatureErrors | null, name: string, value: JsonTree): string {
  if (value !== null) return typeof value === 'string' ? value : shownTree(value);
  const code = errorOf(errors, name);
  return code === undefined ? 'null' : `error: ${code}`;
}
