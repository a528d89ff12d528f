import type { Failure } from '../failure.ts';
import { HELD_BACK, withWaiting } from '../waits.ts';
import type { LiveVersion, SliceSummary } from './contract.ts';
import type { LifecycleState } from './state.ts';

/** How far the stream of a version is, by what its slices said. */
export interface StreamFigures {
  /** Shards whose lag has been small since the stream began. */
  readonly caughtUp: readonly number[];
  /** Shards of whose last records most are invalid. */
  readonly mostlyInvalid: readonly number[];
  readonly lags: Readonly<Record<string, number>>;
  readonly watermarks: Readonly<Record<string, number | null>>;
  readonly records: number;
}

export const NO_FIGURES: StreamFigures = { caughtUp: [], mostlyInvalid: [], lags: {}, watermarks: {}, records: 0 };

/** A version beside the served one: it has a stream of its own, so that readers can be flipped to it at any moment. */
export interface SideVersion extends LiveVersion, StreamFigures {
  /** Whether its stream runs. */
  readonly isStreaming: boolean;
  /** Why its stream does not: a person decides. Readers are served all the same. */
  readonly failure: Failure | null;
}

/** A version that is built and waits to be approved. */
export interface OfferedVersion extends SideVersion {
  readonly sinceMs: number;
  /** The version of whose states it was made; left out: it was built from the log. */
  readonly madeFrom?: number | undefined;
  /** The share of differing cells up to which it is approved by itself; null: a person approves it. */
  readonly autoShare: number | null;
  /** Why it was not approved by itself; null: not asked yet. */
  readonly judged: string | null;
}

/** A version that readers were flipped from, and may be flipped back to. */
export interface PreviousVersion extends SideVersion {
  readonly untilMs: number;
  /** Whether readers were flipped back from it. */
  readonly isRolledBack: boolean;
}

/** The lane of a shard of a version's stream; without one, what the lanes of all its shards begin with. */
export function streamLane(version: number, shard: number | '' = ''): string {
  return `stream ${version}/${shard}`;
}

/** The figures of the served version's stream. */
export function figuresOf({ caughtUp, mostlyInvalid, lags, watermarks, records }: StreamFigures): StreamFigures {
  return { caughtUp, mostlyInvalid, lags, watermarks, records };
}

/** Records to the end of the topic; null: no slice has ended yet. */
export function lagOf({ lags }: Pick<StreamFigures, 'lags'>): number | null {
  const known = Object.values(lags);
  return known.length === 0 ? null : known.reduce((sum, lag) => sum + lag, 0);
}

/** The figures after a slice. */
export function figuresAfter(
  figures: StreamFigures,
  shard: number,
  slice: SliceSummary,
  isCaughtUp: boolean,
): StreamFigures {
  const records = figures.records + slice.records;
  // One that waits may never have seen the topic; one that is held back has.
  if (slice.waiting != null && slice.waiting.code !== HELD_BACK) return { ...figuresOf(figures), records };
  const others = figures.caughtUp.filter((other) => other !== shard);
  return {
    caughtUp: isCaughtUp && slice.ended !== 'superseded' ? [...others, shard] : others,
    mostlyInvalid: [
      ...figures.mostlyInvalid.filter((other) => other !== shard),
      ...(slice.mostlyInvalid === true ? [shard] : []),
    ],
    lags: { ...figures.lags, [shard]: slice.lag },
    watermarks: { ...figures.watermarks, [shard]: slice.watermarkUs ?? figures.watermarks[shard] ?? null },
    records,
  };
}

/** The state with the version beside the served one changed; as it was where there is no such version. */
export function withSide(
  state: LifecycleState,
  version: number,
  change: (side: SideVersion) => Partial<SideVersion>,
): LifecycleState {
  const { offered, previous } = state;
  if (offered?.version === version) return { ...state, offered: { ...offered, ...change(offered) } };
  if (previous?.version === version) return { ...state, previous: { ...previous, ...change(previous) } };
  return state;
}

/** The version beside the served one of that number, or null. */
export function sideOf({ offered, previous }: LifecycleState, version: number): SideVersion | null {
  if (offered?.version === version) return offered;
  return previous?.version === version ? previous : null;
}

/** What a slice said of what its shard waits for, and of the generations there are. */
export function heardOfSlice(
  state: LifecycleState,
  version: number,
  shard: number,
  slice: SliceSummary,
): LifecycleState {
  const { waiting } = slice;
  return {
    ...state,
    waiting: waiting === undefined ? state.waiting : withWaiting(state.waiting, streamLane(version, shard), waiting),
    generation: Math.max(state.generation, slice.generation ?? 0),
  };
}
