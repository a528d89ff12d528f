import type { Failure } from './failure.ts';
import type { Waiting } from './waits.ts';

/** `2026-06-01 12:00:00 UTC` */
export function iso(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** 1234567 → 1,234,567; without Intl, whose data may differ between worker machines. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A failure and its way out, in Markdown. */
export function failedText({ code, message, remedy, during, atMs }: Failure): string[] {
  return [
    `**Error \`${code}\`** during ${during}, ${iso(atMs)}:`,
    '',
    `> ${message.replaceAll('\n', '\n> ')}`,
    '',
    `**Way out**: ${remedy}`,
  ];
}

/** What is waited for, in Markdown. */
export function waitingText({ code, message, sinceMs }: Waiting): string[] {
  return [`**Waits** since ${iso(sinceMs)} (\`${code}\`):`, '', `> ${message.replaceAll('\n', '\n> ')}`];
}

/** A row of a Markdown table; what would end a cell is taken out. */
export function tableRow(cells: readonly (string | number | null)[]): string {
  return `| ${cells
    .map((cell) =>
      String(cell ?? '')
        .replaceAll('|', '\\|')
        .replaceAll('\n', ' '),
    )
    .join(' | ')} |`;
}

/** A Markdown table. */
export function tableText(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string[] {
  return [tableRow(head), tableRow(head.map(() => '---')), ...rows.map(tableRow)];
}
