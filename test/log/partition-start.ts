import type { PartitionStart } from '../../engine/topic/topic-pipeline.ts';

/** A partition before its first record, after a history that ends at `historyNewestUs`. */
export function partitionStart(historyNewestUs: number | null = null): PartitionStart {
  return { watermarkUs: historyNewestUs, begun: false, historyNewestUs };
}
