import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { ViewLayout } from '../../engine/define/view-layout.ts';
import { sameCell } from '../../engine/parity/compare-values.ts';
import type { EntityEvent } from '../../engine/parity/entity-events.ts';
import { explainFeature } from '../../engine/parity/explain-feature.ts';
import type { ExplainedRecord } from '../../engine/parity/explanation.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { trainingValues } from '../oracle/read.ts';
import type { OracleAggregate, OracleView } from '../oracle/view.ts';
import { spendingView } from '../stream/stream-view.ts';
import { eventsOf, layoutOf, readTimesOf, scalarTypes, tilings, typeName } from './arbitraries.ts';
import { stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';
import { oracleEventsOf, oracleViewOf } from './layout-oracle.ts';

/*
 * The records that an explanation shows are those behind the value: they alone give it, and there are as many as the oracle says. Of a list
 * that is its length; of a map of lists, the length of all; of a map of values of one event each, its categories; of all others, the events
 * in the window that have what the feature takes.
 */

const ALL = 1_000_000;
const ONE_EVENT = new Set<string>(['min', 'max', 'first', 'last', 'minBy', 'maxBy']);
const LISTS = new Set<string>(['firstN', 'lastN']);
const TYPES = scalarTypes.filter(({ kind }) => ['string', 'int'].includes(kind));

/** How many records each feature has behind it. */
function expectedCounts(oracle: OracleView<never>, layout: ViewLayout, events: readonly EntityEvent[], atUs: number) {
  const counts = (aggregate: OracleAggregate | null): unknown[] => {
    const features = oracle.features.map((feature) => ({
      ...feature,
      aggregate: aggregate ?? feature.aggregate,
      // How many, not whether they are too many.
      ...(feature.by === undefined ? {} : { by: { ...feature.by, limit: ALL } }),
    }));
    return trainingValues({ ...oracle, features }, oracleEventsOf(layout, events), atUs);
  };
  const [own, counted] = [counts(null), counts('count')];
  const parsed = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value);
  return layout.features.map(({ aggregate, result }, index): number => {
    if (result.kind !== 'map' || aggregate === 'histogram') {
      if (!LISTS.has(aggregate)) return sumOf(counted[index]);
      return ((parsed(own[index]) as unknown[] | null) ?? []).length;
    }
    const values = Object.values((parsed(own[index]) as Record<string, unknown> | null) ?? {});
    if (ONE_EVENT.has(aggregate)) return values.length;
    return LISTS.has(aggregate) ? values.flat().length : sumOf(counted[index]);
  });
}

/** A count, or one per category. */
function sumOf(value: unknown): number {
  if (value === null) return 0;
  if (typeof value === 'number') return value;
  return Object.values(JSON.parse(value as string) as Record<string, number>).reduce((sum, n) => sum + n, 0);
}

function viewOf(layout: ViewLayout): CompiledView {
  return { ...spendingView({ topic: 'law' }), layout };
}

const placeOf = ({ partition, offset }: Pick<ExplainedRecord, 'partition' | 'offset'>): string =>
  `${partition}:${offset}`;

for (const type of TYPES) {
  for (const isDivided of [false, true]) {
    describe(`${typeName(type)}${isDivided ? ' by category' : ''}`, () => {
      const tiled = tilings.slice(1, 2);
      const layout = layoutOf(type, 'id', tiled, true, isDivided);
      const view = viewOf(layout);
      const reducer = createViewReducer(layout);
      const oracle = oracleViewOf(layout);
      const logs = eventsOf(layout, type, tiled, 16).map((given) =>
        // A place each, and ids as the log's dedupe leaves them.
        given.map(
          (event, index): EntityEvent => ({
            ...event,
            id: `${event.id} ${index}`,
            partition: index % 2,
            offset: index >> 1,
            seq: index,
          }),
        ),
      );

      test('the records shown alone give the value, and are as many as the oracle says', () => {
        let shown = 0;
        fc.assert(
          fc.property(logs, fc.nat(), (events, at) => {
            const state = stateOf(reducer, events);
            const newest = Math.max(...events.map(({ eventTimeUs }) => eventTimeUs), -1e15);
            const times = readTimesOf(layout, events, newest + 1);
            const atUs = times[at % times.length]!;
            const cells = reducer.read(state, atUs);
            const counts = expectedCounts(oracle, layout, events, atUs);
            for (const [feature, { name, result }] of layout.features.entries()) {
              const explained = explainFeature({
                view,
                reducer,
                feature,
                state,
                replayed: state,
                atUs,
                events,
                maxRecords: ALL,
                maxTiles: 1,
              });
              const places = new Set(explained.records.map(placeOf));
              expect([name, places.size]).toEqual([name, counts[feature]]);
              expect(explained.records).toHaveLength(places.size);
              const alone = (of: ReadonlySet<string>) =>
                reducer.read(
                  stateOf(
                    reducer,
                    events.filter((event) => of.has(placeOf(event))),
                  ),
                  atUs,
                )[feature]!;
              expect([name, sameCell(alone(places), cells[feature]!)]).toEqual([name, true]);
              shown += places.size;
              const isOfOne = ONE_EVENT.has(explained.aggregate) && result.kind !== 'map';
              expect([name, explained.deciding !== null]).toEqual([name, isOfOne && places.size > 0]);
              if (explained.deciding !== null)
                expect(sameCell(alone(new Set([placeOf(explained.deciding)])), cells[feature]!)).toBe(true);
            }
          }),
          lawRuns(6),
        );
        expect(shown).toBeGreaterThan(0);
      });
    });
  }
}
