import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CompiledView, LogEvent, PreparedEvent } from '../define/compiled-view.ts';
import { createViewReducer } from './create-view-reducer.ts';
import { createTileGroups, oldestTile, tileOf } from './tile-group.ts';
import type { EntityState } from './view-reducer.ts';

/** Enough for a figure, and over in milliseconds. */
const TIMED_EVENTS = 10_000;

/** What a view's states and events cost, by its layout and a sample of its events. */
export interface StateCost {
  /** Partials that an event updates, over all groups of tiles: features that share one add none. */
  readonly partials: number;
  /** Per group of tiles: its hop in µs (null: one tile for all of time), and how many are kept of an entity at most. */
  readonly groups: readonly { readonly hopUs: number | null; readonly tiles: number }[];
  /** Events of the sample that are the view's: past its `where`, with a key. */
  readonly sampled: number;
  /** What is stored of an entity, in bytes beside its keys; null where the sample has no event of the view. */
  readonly bytes: {
    /** Of an entity with one event: the mean over the sample. */
    readonly oneEvent: number;
    /** Of one with an event in each of the tiles that are kept. Of what keeps values in a tile, more events there are more bytes. */
    readonly everyTile: number;
  } | null;
  /** CPU time of an event, in ns: the view's functions, its key, and the update of the state in memory. Null as above. */
  readonly eventNs: number | null;
}

/**
 * Finds what a view costs: bytes of state by encoding some, time by applying the sample again and again. Bytes are the same each time; time is of this machine.
 *
 * @param events of its source, valid
 * @param cpuUs the CPU time of this thread so far, in µs
 * @example
 * const { bytes, eventNs } = stateCost(view, events, () => process.threadCpuUsage().user);
 */
export function stateCost(
  { layout, prepare }: Pick<CompiledView, 'layout' | 'prepare'>,
  events: readonly LogEvent[],
  cpuUs: () => number,
): StateCost {
  const groups = createTileGroups(layout);
  const own: { readonly event: LogEvent; readonly prepared: PreparedEvent }[] = [];
  for (const event of events) {
    const prepared = emptyPrepared(layout.slots);
    if (prepare(event, prepared) === 'ok') own.push({ event, prepared });
  }
  const newestUs = Math.max(...own.map(({ prepared }) => prepared.eventTimeUs));
  const shape = {
    partials: layout.slots.length,
    groups: groups.map((group) => ({
      hopUs: group.hopUs,
      // How many there are does not depend on the time but for the one in which a window begins.
      tiles:
        group.hopUs === null
          ? 1
          : tileOf(own.length === 0 ? 0 : newestUs, group.hopUs) -
            oldestTile(group, own.length === 0 ? 0 : newestUs) +
            1,
    })),
    sampled: own.length,
  };
  if (own.length === 0) return { ...shape, bytes: null, eventNs: null };
  const reducer = createViewReducer(layout);
  const bytesOf = (applied: Iterable<PreparedEvent>): number => {
    const state = reducer.empty();
    for (const event of applied) reducer.apply(state, event);
    return reducer.encode(state).length;
  };
  const oneEvent = own.reduce((sum, { prepared }) => sum + bytesOf([prepared]), 0) / own.length;
  const everyTile = bytesOf(eventsOfEveryTile());
  return { ...shape, bytes: { oneEvent: Math.round(oneEvent), everyTile }, eventNs: timed() };

  function* eventsOfEveryTile(): Generator<PreparedEvent> {
    let number = 0;
    for (const group of groups) {
      if (group.hopUs === null) continue;
      for (let tile = oldestTile(group, newestUs); tile <= tileOf(newestUs, group.hopUs); tile++) {
        const { prepared } = own[number++ % own.length]!;
        yield { ...prepared, eventTimeUs: Math.min(newestUs, tile * group.hopUs) };
      }
    }
    yield { ...own[0]!.prepared, eventTimeUs: newestUs };
  }

  function timed(): number {
    const prepared = emptyPrepared(layout.slots);
    const round = (): void => {
      const states = new Map<string, EntityState>();
      for (const { event } of own) {
        prepare(event, prepared);
        let state = states.get(prepared.keyText);
        if (state === undefined) states.set(prepared.keyText, (state = reducer.empty()));
        reducer.apply(state, prepared);
      }
    };
    round();
    const rounds = Math.ceil(TIMED_EVENTS / own.length);
    const fromUs = cpuUs();
    for (let done = 0; done < rounds; done++) round();
    return Math.round(((cpuUs() - fromUs) * 1000) / (rounds * own.length));
  }
}
