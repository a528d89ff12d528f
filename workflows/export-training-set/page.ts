import { grouped, tableText } from '../page-text.ts';
import type { ExportLabelSize, ExportSize, ExportSummary } from './contract.ts';

/** The page of an ended export in the Temporal UI ("current details"), in Markdown. */
export function renderExport(summary: ExportSummary): string {
  const { service, rows, features, featuresLeftOut = 0, rowsNull = [], out, manifest, sha256 } = summary;
  const { comparison, labels, sample, split } = summary;
  const lines = [
    `### Training set of ${service}: done`,
    '',
    `- Rows: **${rows}**`,
    `- Features: **${features.length + featuresLeftOut}**`,
    ...(labels === undefined ? [] : labelLines(labels)),
    ...(sample === undefined ? [] : [`- Sample: **${sample.fraction}** of the entities, by ${sample.by.join(', ')}`]),
    ...(split === undefined
      ? [`- File: \`${out}\``]
      : [
          `- Split at: **${split.at}**`,
          ...[split.train, split.test].map((part) => `- File: \`${part.file}\` (${grouped(part.rows)} rows)`),
        ]),
    `- Manifest: \`${manifest}\``,
    `- SHA-256: \`${sha256}\``,
  ];
  const errors = features.flatMap(({ column, errors: codes = {} }) =>
    Object.entries(codes).map(([code, cells]) => [column, code, grouped(cells)]),
  );
  if (errors.length > 0) {
    lines.push('', '**Cells that are null for an error**:', '', ...tableText(['column', 'error', 'cells'], errors));
  }
  if (rowsNull.length > 0) {
    const rowsOf = rowsNull.map(({ of, why, rows: count }) => [of, why, grouped(count)]);
    lines.push('', '**Rows that nothing was served to**:', '', ...tableText(['of', 'why', 'rows'], rowsOf));
  }
  // Of a run by a worker from before there were comparisons the field is missing.
  if (comparison == null) return lines.join('\n');
  lines.push(
    '',
    '**Labels on which the two modes differ**:',
    '',
    ...tableText(
      ['feature', 'labels', 'differing', 'mean', 'max', 'lag'],
      comparison.features.map(({ column, labels, differing, absolute, split }) => [
        column,
        grouped(labels),
        grouped(differing),
        absolute?.mean ?? null,
        absolute?.max ?? null,
        Object.entries(split)
          .filter(([, count]) => count > 0)
          .map(([lag, count]) => `${lag}: ${grouped(count)}`)
          .join(', '),
      ]),
    ),
    '',
    `- Plot: \`${comparison.svg}\``,
  );
  return lines.join('\n');
}

/** The page of an ended dry run. */
export function renderSize({ service, rows, entities, steps }: ExportSize): string {
  return [
    `### Training set of ${service}: a dry run`,
    '',
    `- Rows: **${grouped(rows)}**`,
    `- Entities: **${grouped(entities)}**, at up to **${grouped(steps)}** times`,
  ].join('\n');
}

/** The page of an ended dry run of labels. */
export function renderLabelSize({ service, rows, labels }: ExportLabelSize): string {
  return [`### Training set of ${service}: a dry run`, '', `- Rows: **${grouped(rows)}**`, ...labelLines(labels)].join(
    '\n',
  );
}

function labelLines({ labelSet, asOf, counts }: NonNullable<ExportSummary['labels']>): string[] {
  return [
    `- Labels: **${labelSet}**, as of **${asOf}**, of ${grouped(counts.decisions)} decisions`,
    `- Immature: **${grouped(counts.immature)}**, left out without outcomes: **${grouped(counts.leftOut)}**, outcomes after maturity: **${grouped(counts.afterMaturity)}**`,
  ];
}
