import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { LogCounts } from '../admission/log-counts.ts';
import type { InvalidRecord } from '../topic/topic-scan.ts';

const KEPT = 3;

/** Keeps the first invalid records of a log, to be named when there are too many of them. */
export class InvalidExamples {
  readonly #examples: string[] = [];

  add({ topic, partition, offset, file, reasons }: InvalidRecord): void {
    if (this.#examples.length === KEPT) return;
    const where = file === null ? `${topic}, partition ${partition}, offset ${offset}` : `${file}, position ${offset}`;
    this.#examples.push(`${where}: ${reasons.join('; ')}`);
  }

  /**
   * Refuses a log of which more was invalid than the source allows: a training set of what is left would be wrong in silence.
   * Throws `too-many-invalid-records`.
   */
  check(source: CompiledSource, view: string, counts: LogCounts): void {
    const { rate, window } = source.invalidLimit;
    if (counts.invalid <= rate * Math.max(counts.records, window)) return;
    const examples = this.#examples.join(' | ') || 'the row functions of the view failed';
    throw new MillraceError(
      'too-many-invalid-records',
      `source "${source.name}", view "${view}": ${counts.invalid} of ${counts.records} records are invalid; allowed: ${100 * rate} %. ${examples}`,
      {
        remedy: "Correct the data or the source's contract, or raise the source's invalid limit. Nothing was written.",
        details: { source: source.name, view, invalid: counts.invalid, records: counts.records },
      },
    );
  }
}
