import { COMPARISON_HEADER, comparisonRows } from '../engine/training/comparison-rows.ts';
import type { ManifestLabels } from '../engine/training/label-spine.ts';
import type { ManifestSample } from '../engine/training/sample.ts';
import type { ExportLabelSize, ExportSize, ExportSummary } from '../workflows/export-training-set/contract.ts';
import { count, type Output } from './output.ts';

/** Prints what an export, or its dry run, came to. */
export function printExport(output: Output, summary: ExportSummary | ExportSize | ExportLabelSize): void {
  if (output.isJson) return output.json(summary);
  if ('isDryRun' in summary && 'labels' in summary) {
    output.line(`${count(summary.rows)} rows; nothing was written`);
    return printLabels(output, summary.labels);
  }
  if ('isDryRun' in summary) {
    const { rows, entities, steps, sample } = summary;
    output.line(`${count(rows)} rows: ${count(entities)} entities at up to ${count(steps)} times; nothing was written`);
    if (sample !== undefined) output.line(sampleText(sample));
    return;
  }
  output.table(
    ['column', 'null'],
    summary.features.map(({ column, nullRate }) => [column, `${(nullRate * 100).toFixed(2)} %`]),
  );
  const errors = summary.features.flatMap(({ column, errors: codes = {} }) =>
    Object.entries(codes).map(([code, cells]) => [column, code, count(cells)]),
  );
  if (errors.length > 0) output.table(['null for an error', 'code', 'cells'], errors);
  const { rowsNull = [] } = summary;
  if (rowsNull.length > 0)
    output.table(
      ['all null, of', 'why', 'rows'],
      rowsNull.map(({ of, why, rows }) => [of, why, count(rows)]),
    );
  if (summary.labels !== undefined) printLabels(output, summary.labels);
  const { comparison, filesLeftOut = 0, sample, split } = summary;
  if (sample !== undefined) output.line(sampleText(sample));
  if (split !== undefined)
    output.table(
      [`split at ${split.at}`, 'rows', 'bytes'],
      [split.train, split.test].map(({ file, rows, sizeBytes }) => [file, count(rows), count(sizeBytes)]),
    );
  if (filesLeftOut > 0)
    output.line(`${count(filesLeftOut)} files of the history are not in the versions served now, and not in this set`);
  if (comparison !== null) {
    output.line(`the two modes differ on ${count(comparison.labelsDiffering)} of ${count(comparison.labels)} labels`);
    output.table(COMPARISON_HEADER, comparisonRows(comparison));
    output.line(`plot: ${comparison.svg}`);
  }
  output.line(
    `${count(summary.rows)} rows · ${count(summary.sizeBytes)} bytes · sha256 ${summary.sha256.slice(0, 12)}`,
  );
  if (split === undefined) output.line(summary.out);
  output.line(summary.manifest);
}

function printLabels(output: Output, { labelSet, asOf, counts }: ManifestLabels): void {
  output.table(
    [`labels of ${labelSet}`, 'count'],
    [
      ['decisions', count(counts.decisions)],
      ['immature', count(counts.immature)],
      ['left out: nothing came of them', count(counts.leftOut)],
      ['labelled', count(counts.labelled)],
      ['outcomes after maturity', count(counts.afterMaturity)],
      ['outcomes in time whose records came late', count(counts.arrivedLate)],
      ['duplicates', count(counts.duplicates)],
      ['invalid', count(counts.invalid)],
    ],
  );
  output.line(`labels as of ${asOf}`);
}

function sampleText({ fraction, by, ofRows }: ManifestSample): string {
  return `a sample: ${Number((fraction * 100).toPrecision(9))} % of the entities, by ${by.join(', ')}; of ${count(ofRows)} rows or entities`;
}
