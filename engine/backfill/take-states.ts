import { addCounts, emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import type pg from 'pg';
import { internalBug } from '../errors/millrace-error.ts';
import { copyRetagged } from '../postgres/copy-states.ts';
import { copyDeadLetters } from '../postgres/dead-letters.ts';
import { copyDedupeIds } from '../postgres/dedupe-ids.ts';
import { finishStateTable } from '../postgres/state-table.ts';
import { insertStreamOffsets, type StreamOffset, streamOffsets } from '../postgres/stream-offsets.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { markBuilt, type ViewVersion, viewVersion } from '../postgres/view-versions.ts';
import { layoutTag } from '../state/layout-tag.ts';
import type { Cut } from '../topic/cut.ts';
import type { Clock } from '../values/clock.ts';
import type { ProgressReporter } from './backfill-progress.ts';
import { type HeldVersion, holdVersion } from './build-attempt.ts';
import { deleteProgress } from './saved-progress.ts';
import { dropSavedStates } from './saved-states.ts';
import { hasRemovedRows } from './states-obstacle.ts';

export interface TakeStatesOptions {
  readonly pool: pg.Pool;
  readonly view: CompiledView;
  readonly held: HeldVersion;
  readonly stateTable: string;
  /** The live version, of equal tags over the same log: `statesObstacle` finds none. */
  readonly from: number;
  readonly clock: Clock;
  readonly progress: ProgressReporter;
  readonly signal: AbortSignal | undefined;
}

/** A version that was made of another's states. */
export interface TakenStates {
  readonly entities: number;
  readonly counts: LogCounts;
  readonly cut: Cut | null;
}

/**
 * Makes a version that has been begun of the live version's states, in one transaction: states, offsets, ids and dead letters of one instant, between two
 * commits of its stream, which goes on meanwhile. Its cut is where that stream stood: what it is then is what a build from the log up to there would have
 * come to. Null, with nothing done, where the version is not live any more, rows of it are gone that this definition would find, or some state of it is of another layout or without a checksum.
 *
 * @throws MillraceError `backfill-superseded`, and the signal's reason
 */
export async function takeStates(options: TakeStatesOptions): Promise<TakenStates | null> {
  try {
    // The snapshot of the first statement is what all of them see: whole commits, whatever is committed meanwhile.
    return await withTransaction(options.pool, (client) => taken(client, options), { isolation: 'repeatable read' });
  } catch (error) {
    if (error instanceof NotToBeTaken) return null;
    throw error;
  }
}

/** Rolls back what was copied. */
class NotToBeTaken extends Error {}

async function taken(client: pg.PoolClient, options: TakeStatesOptions): Promise<TakenStates> {
  const { view, held, stateTable, from, clock, progress, signal } = options;
  const { name, layout } = view;
  const { version } = held;
  // Who is killed leaves a statement behind that may take minutes: the next attempt is not to wait for it.
  await client.query(`SELECT set_config('client_connection_check_interval', '2s', true)`);
  await holdVersion(client, held);
  const live = await viewVersion(client, name, from);
  if (live?.status !== 'live') throw new NotToBeTaken();
  const offsets = await streamOffsets(client, name, from);
  // Its stream may have removed rows since it was looked whether they are missed.
  if (hasRemovedRows(view, live, offsets)) throw new NotToBeTaken();
  progress.entities = live.entities;
  progress.begin('copy');
  const entities = await copyRetagged(
    client,
    layout,
    {
      from: { table: live.stateTable, layoutTag: live.layoutTag },
      to: { table: stateTable, layoutTag: layoutTag(layout) },
    },
    (rows) => {
      signal?.throwIfAborted();
      progress.loaded(rows);
    },
  );
  if (entities === null) throw new NotToBeTaken();
  await finishStateTable(client, layout, stateTable);
  signal?.throwIfAborted();
  progress.begin('verify');
  await copyDeadLetters(client, name, from, version);
  await copyDedupeIds(client, name, from, version);
  await insertStreamOffsets(
    client,
    offsets.map((offset) => ({ ...offset, version })),
  );
  const counts = countsOf(live, offsets);
  const cut = live.cut && cutAt(live.cut, offsets, clock);
  const { history, historyWatermarkUs, expiredBeforeUs } = live;
  const built = { view: name, version, cut, history, counts, entities, historyWatermarkUs, expiredBeforeUs };
  await markBuilt(client, { ...built, madeFrom: from });
  await deleteProgress(client, name, version);
  await dropSavedStates(client, stateTable);
  return { entities, counts, cut };
}

/** All that went into the states: what the version was built of, and what its stream has brought. */
function countsOf({ counts }: ViewVersion, offsets: readonly StreamOffset[]): LogCounts {
  const all = { ...emptyCounts(), ...counts };
  for (const offset of offsets) addCounts(all, { ...emptyCounts(), ...offset.counts });
  return all;
}

/** From where the version was built to where its stream stands. A partition that the topic gained since was streamed from its first offset. */
function cutAt({ clusterId, partitions }: Cut, offsets: readonly StreamOffset[], clock: Clock): Cut {
  const lows = new Map(partitions.map(({ partition, lowOffset }) => [partition, lowOffset]));
  const missing = partitions.find(({ partition }) => !offsets.some((offset) => offset.partition === partition));
  if (missing !== undefined) throw internalBug(`partition ${missing.partition} of the cut has no offset`);
  return {
    clusterId,
    takenAtUs: clock.nowUs(),
    partitions: offsets.map(({ partition, nextOffset }) => ({
      partition,
      lowOffset: lows.get(partition) ?? 0,
      endOffset: nextOffset,
    })),
  };
}
