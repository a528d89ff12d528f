import type { CommitTimeline } from '../archive/commit-timeline.ts';
import type { StateInspector } from '../state/inspect-state.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import type { EntityEvent } from './entity-events.ts';

/** How many events may still be applied in search of causes: a hot entity must not keep an audit for hours. */
export class WorkBudget {
  #left: number;

  constructor(events: number) {
    this.#left = events;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  spend(events: number): void {
    this.#left -= events;
  }

  /** Gives `fn` a budget of its own, at most `events` of what is left. */
  withPart<T>(events: number, fn: (part: WorkBudget) => T): T {
    const given = Math.min(events, this.#left);
    const part = new WorkBudget(given);
    const result = fn(part);
    this.#left -= given - part.#left;
    return result;
  }
}

/** What was seen of an entity at one commit, to be explained. */
export interface Evidence {
  /** The commit it was seen at. */
  readonly seq: number;
  /** Whether this state would have been seen as what was seen. */
  matches(state: EntityState): boolean;
  /** Whether an event that was taken wrongly, alone, could be the cause. */
  concerns(event: EntityEvent): boolean;
  /** Whether it could be one of several that are. */
  touches(event: EntityEvent): boolean;
  /** How many rows are missing (negative: too many), where a count of rows tells. */
  readonly missingRows: number | null;
}

/** What the log has for one entity, and the engine to ask what would have been, had it been otherwise. */
export class EntityCase {
  readonly reducer: ViewReducer;
  readonly inspector: StateInspector;
  /** All of them, by commit, partition and offset. */
  readonly events: readonly EntityEvent[];
  readonly budget: WorkBudget;
  readonly #foreign: ReadonlySet<EntityEvent>;
  readonly foreignSeqs: ReadonlySet<number>;

  constructor(options: {
    readonly reducer: ViewReducer;
    readonly inspector: StateInspector;
    readonly events: readonly EntityEvent[];
    readonly budget: WorkBudget;
    readonly commits: CommitTimeline;
    readonly fingerprint: string;
  }) {
    this.reducer = options.reducer;
    this.inspector = options.inspector;
    // The backfill comes in any order: what is found must not depend on it.
    this.events = options.events.toSorted((a, b) => a.seq - b.seq || a.partition - b.partition || a.offset - b.offset);
    this.budget = options.budget;
    const foreign = options.commits.foreignCommits(options.fingerprint);
    this.foreignSeqs = new Set(foreign.map(({ seq }) => seq));
    this.#foreign = new Set(this.events.filter(({ seq }) => this.foreignSeqs.has(seq)));
  }

  /** Those that were applied by commit `seq`. */
  upTo(seq: number): readonly EntityEvent[] {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.events[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    return low === this.events.length ? this.events : this.events.slice(0, low);
  }

  /** Whether other code made the commit that took an event. */
  isForeign(event: EntityEvent): boolean {
    return this.#foreign.has(event);
  }

  copy(state: EntityState): EntityState {
    // About the cost of some tens of events.
    this.budget.spend(10);
    return this.reducer.decode(this.reducer.encode(state));
  }

  apply(state: EntityState, events: Iterable<EntityEvent>): EntityState {
    let applied = 0;
    for (const event of events) {
      this.reducer.apply(state, event);
      applied++;
    }
    this.budget.spend(applied);
    return state;
  }

  stateOf(events: Iterable<EntityEvent>): EntityState {
    return this.apply(this.reducer.empty(), events);
  }

  /**
   * Gives, for each group, the state without it: that of `others` and all other groups. Divide and conquer: about log2(groups) times
   * the events are applied, not groups times. Stops when the budget is spent.
   */
  eachWithout(
    others: readonly EntityEvent[],
    groups: readonly (readonly EntityEvent[])[],
    visit: (group: number, state: EntityState) => void,
  ): void {
    const split = (from: number, to: number, state: EntityState): void => {
      if (this.budget.isSpent) return;
      if (to - from === 1) return visit(from, state);
      const middle = (from + to) >>> 1;
      const left = this.copy(state);
      for (let at = middle; at < to; at++) this.apply(left, groups[at]!);
      split(from, middle, left);
      for (let at = from; at < middle; at++) this.apply(state, groups[at]!);
      split(middle, to, state);
    };
    if (groups.length > 0) split(0, groups.length, this.stateOf(others));
  }
}
