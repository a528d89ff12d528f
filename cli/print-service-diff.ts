import { DIFF_HEADER, diffRows, percent } from '../engine/versions/diff-rows.ts';
import type { ComparedDerived, OfBoth, ServiceDiff } from '../engine/versions/service-diff-types.ts';
import { count, type Output } from './output.ts';
import { shownCells } from './shown-cell.ts';

const EXAMPLES = 3;

/** What two versions of a service derive, for people. */
export function printServiceDiff(output: Output, diff: ServiceDiff): void {
  const { service, before, after, servedFrom, servedUntil, requests, records, isWhole, cells, differing } = diff;
  output.line(`${service}: ${named(before)} against ${named(after)}`);
  if (servedFrom === null || servedUntil === null) output.line('nothing could be compared');
  else {
    const share = cells === 0 ? '' : ` (${percent(differing / cells)})`;
    output.line(
      `${count(differing)} of ${count(cells)} cells differ${share}, of ${count(records)} entities in ${count(requests)} logged requests${isWhole ? '' : ', a sample by the hash of their ids'}, served ${servedFrom} to ${servedUntil}`,
    );
  }
  for (const [reason, skipped] of Object.entries(diff.skipped))
    output.line(`not compared: ${count(skipped)}, ${reason}`);
  if (diff.features.length > 0 && records > 0) {
    const rows = diffRows({ features: diff.features, isWhole: false });
    const byName = new Map(diff.features.map((feature) => [feature.feature, feature]));
    output.table(
      [...DIFF_HEADER, 'null', 'failed'],
      rows.map((row) => {
        const { nulls, failed } = byName.get(row[0]!)!;
        return [...row, ofBoth(nulls), ofBoth(failed)];
      }),
    );
  }
  if (diff.onlyBefore.length > 0) output.line(`only before: ${diff.onlyBefore.join(', ')}`);
  if (diff.onlyAfter.length > 0) output.line(`only after: ${diff.onlyAfter.join(', ')}`);
  for (const { feature, before: then, after: now } of diff.retyped)
    output.line(`another type: ${feature}, ${then} before, ${now} after`);
  for (const feature of diff.features) printExamples(output, feature);
}

function printExamples(output: Output, { feature, examples }: ComparedDerived): void {
  for (const { entity, request, requestId, at, before, after } of examples.slice(0, EXAMPLES)) {
    const given = [...Object.entries(entity), ...Object.entries(request)].map(
      ([name, value]) => `${name}=${String(value)}`,
    );
    output.line(`  ${feature}  ${given.join(' ')}: ${shownCells(before, after).join(' → ')}  (${requestId}, at ${at})`);
  }
}

function ofBoth({ before, after }: OfBoth): string {
  return `${count(before)} → ${count(after)}`;
}

function named({ version, fingerprint }: ServiceDiff['before']): string {
  return `${version === null ? 'the definition' : `version ${version}`} (${fingerprint.slice(0, 12)})`;
}
