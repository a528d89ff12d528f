import type { JudgedRecord } from '../admission/batch-limit.ts';
import type { CompiledView, LogEvent } from '../define/compiled-view.ts';

/** A valid record on which a function of one view failed, as the limit of invalid records counts it. */
export function invalidForView(
  { source }: CompiledView,
  { partition, offset, number }: LogEvent,
  reasons: JudgedRecord['reasons'],
): JudgedRecord {
  const topic = partition < 0 ? 'history' : (source.topic ?? '');
  return { topic, partition, offset, number, file: null, reasons };
}
