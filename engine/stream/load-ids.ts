import { setImmediate } from 'node:timers/promises';
import { isMillraceError } from '../errors/millrace-error.ts';
import { processMemory } from '../memory/process-memory.ts';
import { dedupeIds, storedIds } from '../postgres/dedupe-ids.ts';
import { withClient } from '../postgres/transaction.ts';
import type { Claim } from './claim.ts';
import type { WaitTurn } from './load-session.ts';
import { SessionIds } from './session-ids.ts';
import { SharedIds } from './shared-ids.ts';
import { StreamMemory, waitsForLoading, waitsForMemory } from './stream-memory.ts';
import type { RunStreamOptions } from './stream-options.ts';

/** The most that an id takes, but for the first few of a partition: what is reserved for those that are about to be loaded. */
const MOST_BYTES_PER_ID = 34;

/** While ids are loaded, what they take is counted again after so many bytes of them. */
const COUNTED_EVERY = 2 ** 20;

/** Ids, and the memory that they and the stream begin with: both to be released. */
interface LoadedIds {
  readonly ids: SessionIds;
  readonly memory: StreamMemory;
}

/**
 * Loads the ids that a claim must know, once there is memory for them. What other streams of the source have loaded already needs none: first as much is
 * reserved as these may not have, and only where that was too little as much as all of them take.
 *
 * Throws `memory-limit-too-small`, `memory-in-use`, `dedupe-ids-corrupt`, and what the database throws.
 */
export async function loadIds(options: RunStreamOptions, claim: Claim, waitTurn: WaitTurn): Promise<LoadedIds> {
  const { view, version, pool } = options;
  const { source } = view;
  const budget = options.memory ?? processMemory();
  const what = `stream of ${view.name}, version ${version}`;
  const partitions = claim.partitions.map(({ partition }) => partition);
  const places = needsHistoryIds(claim, source.dedupeHorizonUs) ? [...partitions, -1] : partitions;
  const stored = await withClient(pool, (client) => storedIds(client, view.name, version, claim.topic, places));
  const most = stored * MOST_BYTES_PER_ID;
  const shared = SharedIds.join(budget, source.name, claim.topic);
  const load = async (bytes: number): Promise<LoadedIds> => {
    const memory = await waitTurn((signal, waits) =>
      StreamMemory.reserve(budget, what, bytes, { signal, onWait: (text) => waits(waitsForMemory(what, text)) }),
    );
    const ids = new SessionIds(SharedIds.join(budget, source.name, claim.topic), source.dedupeHorizonUs, partitions);
    try {
      await fill(ids, memory, options, claim.topic, places);
      return { ids, memory };
    } catch (error) {
      ids.release();
      memory.release();
      throw error;
    }
  };
  let endTurn: (() => void) | null = null;
  try {
    endTurn = await waitTurn((signal, waits) =>
      shared.takeTurn(signal, () => waits(waitsForLoading(what, source.name))),
    );
    const expected = Math.max(0, most - shared.bytesOf(places));
    try {
      return await load(expected);
    } catch (error) {
      if (expected === most || !isMillraceError(error) || error.code !== 'memory-in-use') throw error;
    }
    return await load(most);
  } finally {
    endTurn?.();
    shared.leave();
  }
}

async function fill(
  ids: SessionIds,
  memory: StreamMemory,
  { view, version, pool }: RunStreamOptions,
  topic: string,
  places: readonly number[],
): Promise<void> {
  const count = (): void => memory.countShared(ids.shared, ids.ownBytes, () => {});
  let uncounted = 0;
  await withClient(pool, async (client) => {
    for await (const pack of dedupeIds(client, view.name, version, topic, places)) {
      ids.load(pack.partition, pack.ids);
      uncounted += pack.ids.length;
      if (uncounted < COUNTED_EVERY) continue;
      count();
      uncounted = 0;
      // A page is worked off in one go: other streams want their turn between.
      await setImmediate();
    }
  });
  ids.history.seal();
  count();
  memory.loaded(ids.ownBytes);
}

/** Whether a record of the claimed partitions can still repeat an id of the history. */
function needsHistoryIds({ partitions, historyWatermarkUs }: Claim, horizonUs: number): boolean {
  if (historyWatermarkUs === null) return false;
  return partitions.some(({ watermarkUs }) => watermarkUs === null || watermarkUs <= historyWatermarkUs + horizonUs);
}
