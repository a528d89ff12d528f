import fc from 'fast-check';
import { expect } from 'vitest';
import type { CommitRow } from '../../engine/archive/commit-timeline.ts';
import { TimelineBuilder } from '../../engine/archive/timeline-builder.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { auditedEntity } from '../../engine/parity/audited-entity.ts';
import { checkStored } from '../../engine/parity/check-stored.ts';
import { diagnoseEntity, type UnnumberedDifference } from '../../engine/parity/diagnose-entity.ts';
import { EntityCase, WorkBudget } from '../../engine/parity/entity-case.ts';
import type { EntityEvent } from '../../engine/parity/entity-events.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { StateInspector } from '../../engine/state/inspect-state.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';

const PER_COMMIT = 3;

/** One entity's log, to plant a fault in. */
export class Planting {
  /** What a counterexample shows. */
  readonly [fc.toStringMethod] = (): string =>
    fc.stringify(this.events.map(({ eventTimeUs, inputs, seq }) => ({ eventTimeUs, input: inputs.at(-1), seq })));
  readonly layout: ViewLayout;
  readonly reducer: ReturnType<typeof createViewReducer>;
  readonly inspector: StateInspector;
  readonly events: readonly EntityEvent[];

  constructor(layout: ViewLayout, given: readonly Omit<EntityEvent, 'seq'>[]) {
    this.layout = layout;
    this.reducer = createViewReducer(layout);
    this.inspector = new StateInspector(layout);
    // A place each, and ids as the log's dedupe leaves them.
    this.events = given.map((event, index) => ({
      ...event,
      id: `${event.id} ${index}`,
      partition: index % 2,
      offset: index >> 1,
      seq: Math.floor(index / PER_COMMIT),
    }));
  }

  stateOf(events: Iterable<EntityEvent>): EntityState {
    const state = this.reducer.empty();
    for (const event of events) this.reducer.apply(state, event);
    return state;
  }

  /** What an audit says of the entity when this is stored; null where it is what should be. */
  diagnose(stored: EntityState, foreign: readonly EntityEvent[] = []): UnnumberedDifference | null {
    const state = this.reducer.encode(stored);
    const key = this.layout.keys.map(({ type }) => (type.kind === 'string' ? 'k' : 1));
    const lastSeq = this.events.at(-1)?.seq ?? 0;
    const entity = auditedEntity(
      'k',
      key,
      [],
      { key, seq: lastSeq, state, commitId: null, crc: stateCrc(state) },
      true,
    );
    entity.state = this.stateOf(this.events);
    entity.storedDifference = checkStored(entity, this.reducer, this.inspector);
    if (entity.storedDifference === null) return null;
    const of = new EntityCase({
      reducer: this.reducer,
      inspector: this.inspector,
      events: this.events,
      budget: new WorkBudget(5_000_000),
      commits: timeline(new Set(foreign.map(({ seq }) => seq)), lastSeq),
      fingerprint: 'ours',
    });
    const [difference, ...others] = diagnoseEntity(of, entity, 0, lastSeq);
    if (others.length > 0) throw new Error(`more than one difference of one state: ${JSON.stringify(others)}`);
    return difference!;
  }

  named(difference: UnnumberedDifference): EntityEvent[] {
    return difference.records.map(
      ({ partition, offset }) => this.events.find((event) => event.partition === partition && event.offset === offset)!,
    );
  }
}

function expectSame({ reducer }: Planting, a: EntityState, b: EntityState): void {
  expect(Buffer.from(reducer.encode(a)).toString('hex')).toBe(Buffer.from(reducer.encode(b)).toString('hex'));
}

/** Holds what a difference says to what was planted: its records left out, or taken twice, give the planted state. */
export function expectActedOut(planting: Planting, difference: UnnumberedDifference, stored: EntityState): void {
  const named = planting.named(difference);
  expect(named.length).toBeGreaterThan(0);
  const { events } = planting;
  if (difference.cause === 'missing-record')
    expectSame(planting, planting.stateOf(events.filter((event) => !named.includes(event))), stored);
  if (difference.cause === 'duplicated-record') expectSame(planting, planting.stateOf([...events, ...named]), stored);
}

function timeline(foreign: ReadonlySet<number>, lastSeq: number) {
  const builder = new TimelineBuilder({ view: 'v', version: 1, commitId: null, cut: null }, 'ours');
  for (let seq = 1; seq <= lastSeq; seq++) {
    const row: Omit<CommitRow, 'partition'> = {
      seq,
      fromOffset: seq,
      untilOffset: seq + 1,
      committedAtUs: seq,
      fingerprint: foreign.has(seq) ? 'theirs' : 'ours',
      commitId: null,
    };
    builder.add({ ...row, partition: 0 });
  }
  return builder.build();
}
