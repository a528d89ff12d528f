import { BIGINT } from 'duckdb';
import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { Row } from '../define/compiled-view.ts';
import { type LogRead, readLog } from './read-log.ts';
import { StagedLog } from './staged-log.ts';

/** Outcomes, as they are joined. */
export interface StagedOutcomes {
  readonly heads: string;
  readonly rows: string;
  /** By partition, the greatest time at which one of its archived records arrived. */
  readonly archivedUntilUs: ReadonlyMap<number, number>;
}

/**
 * Stages all outcomes that can be joined with anything.
 *
 * @param archivedTo the next offset to archive, by partition; null: the topic is all there is
 */
export async function stageOutcomes(
  read: LogRead,
  archivedTo: ReadonlyMap<number, number> | null,
): Promise<StagedOutcomes> {
  const { labels } = read.options;
  const staged = await StagedLog.open(read.duckdb, 'outcome', { sql: 'arrived_us BIGINT', types: [BIGINT] });
  const archivedUntilUs = new Map<number, number>();
  try {
    await readLog(read, ({ event, arrivedUs }, reasons) => {
      const { row, eventTimeUs, partition, offset } = event;
      if (offset < (archivedTo?.get(partition) ?? 0))
        archivedUntilUs.set(partition, Math.max(arrivedUs, archivedUntilUs.get(partition) ?? arrivedUs));
      const key = labels.outcomeKey(row, reasons);
      if (key === null) return;
      const id = event.id ?? `${partition}:${offset}`;
      const knownUs = knownAtUs(labels, row) ?? arrivedUs;
      staged.add({ id, key, timeUs: eventTimeUs, knownUs, partition, offset }, [BigInt(arrivedUs)], row);
    });
  } finally {
    staged.close();
  }
  return { heads: staged.heads, rows: staged.rows, archivedUntilUs };
}

/** Since when an outcome could be known, where it says so; null: since its record arrived. */
function knownAtUs({ knownAtField }: CompiledLabelSet, row: Row): number | null {
  return knownAtField === null ? null : ((row[knownAtField] ?? null) as number | null);
}
