import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import { MOST_BYTES_PER_ID } from '../admission/id-table.ts';
import { HistoryIds, PartitionDedupe } from '../admission/partition-dedupe.ts';
import type { MillraceError } from '../errors/millrace-error.ts';
import { processMemory } from '../memory/process-memory.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { dedupeIds, storedIds } from '../postgres/dedupe-ids.ts';
import { withClient } from '../postgres/transaction.ts';
import { checkAnchor } from '../topic/check-anchor.ts';
import type { TopicBounds } from '../topic/log-reader.ts';
import type { Claim } from './claim.ts';
import { PartitionRun } from './partition-run.ts';
import { StreamMemory, waitsForMemory } from './stream-memory.ts';
import type { RunStreamOptions } from './stream-options.ts';

/** Waits for what has a turn of its own, and says so: `SlicedRun.waitTurn`. */
export type WaitTurn = <Result>(
  wait: (signal: AbortSignal, waits: (error: MillraceError) => void) => Promise<Result>,
) => Promise<Result>;

/** What a claim goes on with. */
export interface LoadedSession {
  readonly runs: ReadonlyMap<number, PartitionRun>;
  readonly history: HistoryIds;
  readonly accepted: AcceptedInvalid;
  /** The caller's to release. */
  readonly memory: StreamMemory;
}

/**
 * Checks that the topic is the one we know, and loads what is needed to go on, once there is memory for it.
 *
 * Throws `topic-recreated`, `memory-limit-too-small`, and what the reader and the database throw.
 */
export async function loadSession(
  options: RunStreamOptions,
  claim: Claim,
  bounds: TopicBounds,
  waitTurn: WaitTurn,
): Promise<LoadedSession> {
  const { view, version, pool, reader } = options;
  const { source } = view;
  for (const { partition, anchor } of claim.partitions) {
    if (anchor === null) continue;
    const held = bounds.partitions.find((candidate) => candidate.partition === partition);
    await checkAnchor({ reader, topic: claim.topic, partition, held }, anchor);
  }
  const ids = claim.partitions.map(({ partition }) => partition);
  if (needsHistoryIds(claim, source.dedupeHorizonUs)) ids.push(-1);
  const stored = await withClient(pool, (client) => storedIds(client, view.name, version, claim.topic, ids));
  const budget = options.memory ?? processMemory();
  const what = `stream of ${view.name}, version ${version}`;
  const memory = await waitTurn((signal, waits) =>
    StreamMemory.reserve(budget, what, stored * MOST_BYTES_PER_ID, {
      signal,
      onWait: (text) => waits(waitsForMemory(what, text)),
    }),
  );
  try {
    const history = new HistoryIds();
    const dedupes = new Map(
      claim.partitions.map(({ partition }) => [partition, new PartitionDedupe(source.dedupeHorizonUs, history)]),
    );
    await withClient(pool, async (client) => {
      for await (const pack of dedupeIds(client, view.name, version, claim.topic, ids)) {
        if (pack.partition === -1) history.load(pack.ids);
        else dedupes.get(pack.partition)?.load(pack.ids);
      }
    });
    const accepted = await withClient(pool, (client) => acceptedInvalid(client, source.name));
    const runs = new Map<number, PartitionRun>();
    for (const claimed of claim.partitions) {
      const run = new PartitionRun(source, claimed, dedupes.get(claimed.partition)!, claim.historyWatermarkUs);
      // The ring was stored before its records were accepted.
      run.verdicts.accept(accepted.get(claimed.partition) ?? 0);
      runs.set(claimed.partition, run);
    }
    return { runs, history, accepted, memory };
  } catch (error) {
    memory.release();
    throw error;
  }
}

/** Whether a record of the claimed partitions can still repeat an id of the history. */
function needsHistoryIds({ partitions, historyWatermarkUs }: Claim, horizonUs: number): boolean {
  if (historyWatermarkUs === null) return false;
  return partitions.some(({ watermarkUs }) => watermarkUs === null || watermarkUs <= historyWatermarkUs + horizonUs);
}
