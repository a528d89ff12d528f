import type { AcceptedInvalid } from '../admission/batch-limit.ts';
import type { MillraceError } from '../errors/millrace-error.ts';
import { acceptedInvalid } from '../postgres/accepted-invalid.ts';
import { withClient } from '../postgres/transaction.ts';
import { checkAnchor } from '../topic/check-anchor.ts';
import type { TopicBounds } from '../topic/log-reader.ts';
import type { Claim } from './claim.ts';
import { loadIds } from './load-ids.ts';
import { PartitionRun } from './partition-run.ts';
import type { SessionIds } from './session-ids.ts';
import type { StreamMemory } from './stream-memory.ts';
import type { RunStreamOptions } from './stream-options.ts';

/** Waits for what has a turn of its own, and says so: `SlicedRun.waitTurn`. */
export type WaitTurn = <Result>(
  wait: (signal: AbortSignal, waits: (error: MillraceError) => void) => Promise<Result>,
) => Promise<Result>;

/** What a claim goes on with. */
export interface LoadedSession {
  readonly runs: ReadonlyMap<number, PartitionRun>;
  readonly ids: SessionIds;
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
  const { view, pool, reader } = options;
  const { source } = view;
  for (const { partition, anchor } of claim.partitions) {
    if (anchor === null) continue;
    const held = bounds.partitions.find((candidate) => candidate.partition === partition);
    await checkAnchor({ reader, topic: claim.topic, partition, held }, anchor);
  }
  const accepted = await withClient(pool, (client) => acceptedInvalid(client, source.name));
  const { ids, memory } = await loadIds(options, claim, waitTurn);
  try {
    const runs = new Map<number, PartitionRun>();
    for (const claimed of claim.partitions) {
      const run = new PartitionRun(source, claimed, ids.dedupe(claimed.partition), claim.historyWatermarkUs);
      // The ring was stored before its records were accepted.
      run.verdicts.accept(accepted.get(claimed.partition) ?? 0);
      runs.set(claimed.partition, run);
    }
    return { runs, ids, accepted, memory };
  } catch (error) {
    ids.release();
    memory.release();
    throw error;
  }
}
