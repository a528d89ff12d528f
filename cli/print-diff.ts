import type { ComparedFeature, VersionsDiff } from '../engine/versions/diff-types.ts';
import { DIFF_HEADER, diffRows, percent } from '../engine/versions/diff-rows.ts';
import { count, type Output } from './output.ts';
import { shownCells } from './shown-cell.ts';

const EXAMPLES = 3;

/** What two versions say, for people. */
export function printDiff(output: Output, diff: VersionsDiff): void {
  const { view, before, after, at, entities, isWhole, cells, differing, incomparable } = diff;
  output.line(`${view}: ${named(before)} against ${named(after)}`);
  if (incomparable !== null) {
    output.line(`not comparable: ${incomparable}`);
  } else {
    const share = cells === 0 ? '' : ` (${percent(differing / cells)})`;
    output.line(
      `${count(differing)} of ${count(cells)} cells differ${share}, of ${count(entities)} entities${isWhole ? '' : ', a sample by the hash of their keys'}, read at ${at ?? 'no time: there are no events'}`,
    );
    output.line(`events applied: ${count(before.counts.applied)} before, ${count(after.counts.applied)} after`);
  }
  if (before.counts.invalid + after.counts.invalid > 0)
    output.line(`own functions failed: ${count(before.counts.invalid)} before, ${count(after.counts.invalid)} after`);
  if (diff.entitiesOnlyBefore + diff.entitiesOnlyAfter > 0)
    output.line(
      `entities with events in one alone: ${count(diff.entitiesOnlyBefore)} before, ${count(diff.entitiesOnlyAfter)} after`,
    );
  for (const text of diff.logs) output.line(`of the log: ${text}`);
  if (diff.features.length > 0) output.table(DIFF_HEADER, diffRows(diff));
  if (diff.onlyBefore.length > 0) output.line(`only before: ${diff.onlyBefore.join(', ')}`);
  if (diff.onlyAfter.length > 0) output.line(`only after: ${diff.onlyAfter.join(', ')}`);
  for (const { feature, before: then, after: now } of diff.retyped)
    output.line(`another type: ${feature}, ${then} before, ${now} after`);
  for (const feature of diff.features) printExamples(output, feature);
}

function printExamples(output: Output, { feature, examples }: ComparedFeature): void {
  for (const { entity, before, after } of examples.slice(0, EXAMPLES)) {
    const key = Object.entries(entity).map(([name, value]) => `${name}=${String(value)}`);
    output.line(`  ${feature}  ${key.join(' ')}: ${shownCells(before, after).join(' → ')}`);
  }
}

function named({ version, fingerprint }: VersionsDiff['before']): string {
  return `${version === null ? 'the definition' : `version ${version}`} (${fingerprint.slice(0, 12)})`;
}
