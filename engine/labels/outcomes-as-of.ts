import type { CompiledSource } from '../define/compiled-view.ts';
import { type ArchivedPartition, latestAsOfUs } from '../evidence/latest-as-of.ts';
import { archivedOffsets, noteLabelTime, toldLabelTimeUs } from '../postgres/label-times.ts';
import type { Cut } from '../topic/cut.ts';
import type { LabelScanOptions } from './label-scan.ts';
import type { StagedOutcomes } from './stage-outcomes.ts';

/** How far a source is archived, by partition; null: nothing of it is, or nobody says. To be asked before its cut is taken. */
export async function archivedTo(
  { pool }: Pick<LabelScanOptions, 'pool'>,
  { name, topic }: CompiledSource,
): Promise<ReadonlyMap<number, number> | null> {
  if (pool === undefined || topic === null) return null;
  const offsets = await archivedOffsets(pool, name, topic);
  return offsets.size === 0 ? null : offsets;
}

/**
 * The latest time for which labels can be told, UTC epoch µs (`latestAsOfUs`), which is noted: it never goes back. −Infinity while nothing is archived of a
 * partition that has records.
 */
export async function outcomesAsOfUs(
  { pool, clock }: Pick<LabelScanOptions, 'pool' | 'clock'>,
  { name: source, topic }: CompiledSource,
  cut: Cut | null,
  archived: ReadonlyMap<number, number> | null,
  { archivedUntilUs }: Pick<StagedOutcomes, 'archivedUntilUs'>,
): Promise<number> {
  if (cut === null || topic === null) return latestAsOfUs([], clock.nowUs(), null);
  const partitions = cut.partitions.map(
    ({ partition, endOffset }): ArchivedPartition => ({
      archivedUntilUs: archivedUntilUs.get(partition) ?? null,
      isComplete: archived === null || endOffset === 0 || (archived.get(partition) ?? 0) >= endOffset,
    }),
  );
  if (pool === undefined) return latestAsOfUs(partitions, cut.takenAtUs, null);
  const log = { source, topic, clusterId: cut.clusterId };
  const asOfUs = latestAsOfUs(partitions, cut.takenAtUs, await toldLabelTimeUs(pool, log));
  if (Number.isFinite(asOfUs)) await noteLabelTime(pool, log, asOfUs);
  return asOfUs;
}
