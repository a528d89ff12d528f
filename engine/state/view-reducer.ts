import type { DerivedFailure } from '../derived/derive-step.ts';
import type { Cell } from '../values/cell.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import type { ViewLayout } from '../define/view-layout.ts';

/** The in-memory state of one entity. Opaque outside engine/state and engine/reduce. */
export interface EntityState {
  /** Event time of the newest applied event in µs; `-Infinity` for the empty state. */
  newestEventTimeUs: number;
}

/** What readers of stored states need, of this engine's semantics and of the one before. */
export interface StateReader<State extends EntityState = EntityState> {
  readonly layout: ViewLayout;
  /** First 32 bits of sha-256 of the canonical JSON of the layout; stands in every encoded state. */
  readonly layoutTag: number;
  empty(): State;
  /** Whether a read at `atUs` finds the entity: it has an event, and it has not expired by then. */
  finds(state: State, atUs: number): boolean;
  /**
   * The features at `atUs`, in layout order: each its value, or the error in its place. `onFailed` is told of each derived feature whose function failed. Only events before
   * `atUs` may have been applied, or the caller reports `ahead`. Of what `finds` denies it is what the empty state gives. The array is the caller's; where nothing is wrong nothing else is allocated.
   */
  read(state: State, atUs: number, onFailed?: (failure: DerivedFailure) => void): Cell[];
  /** Throws MillraceError `state-layout-mismatch` for a foreign layout tag, `state-corrupt` for malformed bytes. */
  decode(bytes: Uint8Array): State;
}

/** The one engine of a view (design §6): every driver calls these and nothing else. */
export interface ViewReducer<State extends EntityState = EntityState> extends StateReader<State> {
  /** Applies one event. False when no window can see it any more and no lifetime feature took it (late). */
  apply(state: State, event: PreparedEvent): boolean;
  /** Merges `other` into `state`; `other` is not to be used afterwards. */
  mergeInto(state: State, other: State): void;
  /** Canonical bytes: equal states give equal bytes. */
  encode(state: State): Uint8Array;
  /** Writes those bytes in place of what the writer had: for who copies them at once, and many. */
  encodeTo(state: State, writer: ByteWriter): void;
}
