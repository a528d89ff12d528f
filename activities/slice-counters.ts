import type { Context } from '@temporalio/activity';
import { kindOfReason } from '../engine/admission/reason-tally.ts';
import { counterOn } from './worker-metrics.ts';

/** Of a view, in one process: whatever records and row functions say, the series stay few. */
const MOST_REASONS = 20;
const LONGEST_REASON = 120;

type Metered = Pick<Context, 'info' | 'metricMeter'>;

/** Counts a slice that ended, and the records it committed. */
export function countSlice({ info, metricMeter }: Metered, ended: string, records: number): void {
  const { workflowExecution, activityType } = info;
  const labels = { workflow_id: workflowExecution?.workflowId ?? '', activity_type: activityType };
  counterOn(metricMeter, 'millrace_slices_total').add(1, { ...labels, ended });
  counterOn(metricMeter, 'millrace_slice_records_total').add(records, labels);
}

/** The reasons of dead letters, by view, since the process started. */
export class DeadLetterReasons {
  readonly #known = new Map<string, Set<string>>();

  /** Counts the reasons of a view's dead letters that were committed. */
  count({ metricMeter }: Pick<Metered, 'metricMeter'>, view: string, letters: readonly Reasoned[]): void {
    const counter = counterOn(metricMeter, 'millrace_dead_letters_total');
    for (const { reasons } of letters)
      for (const reason of reasons) counter.add(1, { view, reason: this.#labelOf(view, reason) });
  }

  #labelOf(view: string, reason: string): string {
    const known = this.#known.get(view) ?? new Set<string>();
    this.#known.set(view, known);
    const kind = kindOfReason(reason).slice(0, LONGEST_REASON).toWellFormed();
    if (known.has(kind)) return kind;
    if (known.size >= MOST_REASONS) return 'other';
    known.add(kind);
    return kind;
  }
}

interface Reasoned {
  readonly reasons: readonly string[];
}
