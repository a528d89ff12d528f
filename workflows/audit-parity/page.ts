import type { AuditDifference, AuditResultSummary } from './contract.ts';
import { grouped, tableText } from '../page-text.ts';

const DIFFERENCES_SHOWN = 20;

/** The page of an ended audit in the Temporal UI ("current details"), in Markdown. */
export function renderAudit(result: AuditResultSummary): string {
  if (result.verdict === 'not-served') return `### Parity of ${result.view}: nothing to audit\n\n${result.reason}`;
  const lines = [
    `### Parity of ${result.view}: ${result.verdict}`,
    '',
    ...tableText(
      ['what', 'how many'],
      [
        ['cells compared', grouped(result.cellsCompared)],
        ['cells differing', grouped(result.cellsDiffering)],
        ['entities', grouped(result.entities)],
        ['logged reads', grouped(result.reads)],
        ['version', result.version],
        ['seq', grouped(result.seq)],
        ['audit', result.auditId],
        ['seconds', result.seconds.toFixed(1)],
        ...Object.entries(result.skipped).map(([reason, count]) => [`not compared: ${reason}`, grouped(count)]),
      ],
    ),
  ];
  if (result.differences.length > 0) {
    lines.push(
      '',
      ...tableText(
        ['#', 'entity', 'cause', 'features', 'records'],
        result.differences.slice(0, DIFFERENCES_SHOWN).map(row),
      ),
    );
  }
  return lines.join('\n');
}

function row({ number, entity, cause, cells, records }: AuditDifference): (string | number)[] {
  return [
    number,
    JSON.stringify(entity),
    cause,
    cells.map(({ feature }) => feature).join(', '),
    records.map(({ partition, offset }) => `${partition}@${offset}`).join(', '),
  ];
}
