import { emptyPrepared } from '../define/empty-prepared.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import { compileSource } from '../define/compile-source.ts';
import { compileEntity, compileView } from '../define/compile-view.ts';
import { type DefinitionFault, faultReporter, invalidDefinitions } from '../define/definition-fault.ts';
import type { FeatureView, KeyOf, ValuesOf } from '../define/feature-view.ts';
import { keyText } from '../define/key-text.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { EntityKeys } from '../online/entity-key.ts';
import { namedValues } from '../online/named-values.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import type { EntityState } from '../state/view-reducer.ts';
import { countOutcome, type TopicOutcome } from '../topic/topic-pipeline.ts';
import { type FeatureErrors, splitCells } from '../values/feature-errors.ts';
import { INSTANT, parseDateTime } from '../values/iso-time.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import { FedLog } from './fed-log.ts';

/** What became of rows: the counts `millrace status` has, and why rows were refused. */
export interface FedRows extends Readonly<LogCounts> {
  /** Of each refused row its place in the call, from 0, and every reason. */
  readonly refused: readonly { readonly row: number; readonly reasons: readonly string[] }[];
}

/** An entity's features in a test; of the fields of a client's read those that have a meaning without a store. */
export interface ReadInTest<Values> {
  /** Null where there is an error, too. */
  readonly values: { readonly [Feature in keyof Values]: Values[Feature] | null };
  readonly errors: FeatureErrors<keyof Values & string> | null;
  /** False for an entity no row was applied to. */
  readonly found: boolean;
  /** The state has rows at or after the time that is read at: what was known then may have been something else. */
  readonly ahead: boolean;
}

/** A view without services: rows go in, features come out. */
export interface ViewUnderTest<View extends FeatureView> {
  /**
   * Takes rows as the source's log has them, in that order: objects as JSON would have them; a bigint stands for an int64, a Date for a datetime.
   * A row that breaks the contract is counted, not thrown.
   *
   * @param receivedAt when the broker got them, which `maxAhead` is held against. Default: not checked
   */
  feed(rows: readonly Readonly<Record<string, unknown>>[], receivedAt?: Date): FedRows;
  /**
   * The features of one entity as a read at `at` (a Date, or an ISO time with an offset) gives them. Throws MillraceError `invalid-key`, `invalid-time`.
   */
  read(key: KeyOf<View>, at: Date | string): ReadInTest<ValuesOf<View>>;
}

/**
 * Makes a view ready for a test of its definition. What it does with rows is what backfill and stream do with them: decode, contract, time guard,
 * dedupe, `where`, key, features.
 *
 * @throws MillraceError `invalid-definitions` with every fault of the view, its entity and its source.
 * @example
 * const view = testView(customerOrders);
 * view.feed([{ order_id: 'a', customer: 'c1', at: '2026-01-01T10:00:00Z', amount: '12.50' }]);
 * view.read({ customer: 'c1' }, '2026-01-01T12:00:00Z').values.orders_1d; // 1
 */
export function testView<View extends FeatureView>(view: View): ViewUnderTest<View> {
  const faults: DefinitionFault[] = [];
  const source = compileSource(view.source, '/', faultReporter(faults, 'source', view.source.name));
  const entity = compileEntity(view.entity, faultReporter(faults, 'entity', view.entity.name));
  const { compiled } = compileView(view, entity, source, faultReporter(faults, 'feature view', view.name));
  if (compiled === null || faults.length > 0) throw invalidDefinitions(faults);
  const { layout, prepare, derived } = compiled;
  const reducer = createViewReducer(layout, derived);
  const keys = new EntityKeys(layout);
  const log = new FedLog(source.source);
  const states = new Map<string, EntityState>();
  const prepared = emptyPrepared(layout.slots);

  const applied = (outcome: TopicOutcome, counts: LogCounts): readonly string[] => {
    countOutcome(counts, outcome);
    if (outcome.kind === 'invalid') return outcome.reasons;
    if (outcome.kind !== 'event' && outcome.kind !== 'undeduped') return [];
    const became = prepare(outcome.event, prepared);
    if (typeof became === 'object') {
      counts.invalid++;
      return became.invalid;
    }
    if (became === 'filtered') counts.filtered++;
    else if (became === 'null-key') counts.nullKey++;
    else {
      const state = states.get(prepared.keyText) ?? reducer.empty();
      states.set(prepared.keyText, state);
      if (reducer.apply(state, prepared)) counts.applied++;
      else counts.late++;
    }
    return [];
  };

  return {
    feed(rows, receivedAt) {
      const counts = emptyCounts();
      const refused: { row: number; reasons: readonly string[] }[] = [];
      for (const [row, given] of rows.entries()) {
        const reasons = applied(log.step(given, receivedAt), counts);
        if (reasons.length > 0) refused.push({ row, reasons });
      }
      return { ...counts, refused };
    },
    read(key, at) {
      const atUs = microsOf(at);
      const state = states.get(keyText(keys.ofObject(key, rowValueReading))) ?? reducer.empty();
      const { values, errors } = splitCells(layout.features, reducer.read(state, atUs));
      return {
        values: namedValues(layout.features)(values) as ReadInTest<ValuesOf<View>>['values'],
        errors,
        found: reducer.finds(state, atUs),
        ahead: atUs <= state.newestEventTimeUs,
      };
    },
  };
}

function microsOf(at: Date | string): number {
  const atUs = typeof at === 'string' ? parseDateTime(at, INSTANT) : at.getTime() * 1000;
  if (Number.isSafeInteger(atUs)) return atUs;
  throw new MillraceError(
    'invalid-time',
    `expected a Date or an ISO time with an offset to read at, received ${String(at)}`,
    {
      remedy: "Give e.g. '2026-01-01T12:00:00Z'.",
    },
  );
}
