import type { ParityCause } from '../postgres/parity-audits.ts';
import type { EntityState } from '../state/view-reducer.ts';
import type { EntityCase, Evidence } from './entity-case.ts';
import type { EntityEvent } from './entity-events.ts';

/** What would have to have happened for the evidence to be as it is. */
export interface Finding {
  readonly cause: ParityCause;
  readonly detail: string;
  /** The smallest set of records that explains it. */
  readonly records: readonly EntityEvent[];
  /** How to get from the log to what was seen; absent where the cause cannot be acted out. */
  readonly enactment?: Enactment | undefined;
  /** Whether a further piece of evidence has the same cause, where that cannot be acted out. */
  readonly explains?: ((evidence: Evidence) => boolean) | undefined;
}

/** Events left out or applied twice, and what is done to the state before it is read. */
export interface Enactment {
  readonly leftOut?: ReadonlySet<EntityEvent>;
  readonly twice?: ReadonlySet<EntityEvent>;
  /** On a copy; false where it cannot be done to that state. */
  readonly patch?: ((state: EntityState) => boolean) | undefined;
}

/** Which of the pieces of evidence (ascending by seq) an enactment explains: one pass over the events. */
export function enact<Seen extends Evidence>(of: EntityCase, enactment: Enactment, evidence: readonly Seen[]): Seen[] {
  const { leftOut, twice, patch } = enactment;
  const state = of.reducer.empty();
  const explained: Seen[] = [];
  let at = 0;
  const look = (beforeSeq: number): void => {
    for (; at < evidence.length && evidence[at]!.seq < beforeSeq; at++) {
      const seen = patch === undefined ? state : of.copy(state);
      if ((patch === undefined || patch(seen)) && evidence[at]!.matches(seen)) explained.push(evidence[at]!);
    }
  };
  for (const event of of.events) {
    look(event.seq);
    if (at === evidence.length || of.budget.isSpent) return explained;
    of.budget.spend(1);
    if (leftOut?.has(event) === true) continue;
    of.reducer.apply(state, event);
    if (twice?.has(event) === true) of.reducer.apply(state, event);
  }
  look(Number.POSITIVE_INFINITY);
  return explained;
}

/** `partition 0, offset 7`; of history, `history row 7`. */
export function placeOf({ partition, offset }: EntityEvent): string {
  return partition < 0 ? `history row ${offset}` : `partition ${partition}, offset ${offset}`;
}

/** The only record by its place, several by their number. */
export function placesOf(records: readonly EntityEvent[]): string {
  const [first] = records;
  return first !== undefined && records.length === 1 ? `the record at ${placeOf(first)}` : `${records.length} records`;
}
