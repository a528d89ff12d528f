/** A layout and its events as the oracle takes them: an input per feature rather than per slot. */
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { indexBeside } from '../../engine/define/slot-inputs.ts';
import type { AggregateName, ViewLayout } from '../../engine/define/view-layout.ts';
import { isScalarType } from '../../engine/values/result-type.ts';
import type { OracleType } from '../oracle/order.ts';
import type { OracleEvent, OracleView } from '../oracle/view.ts';

const ID_TYPES: Readonly<Record<ViewLayout['tieBreak'], OracleType | null>> = {
  id: { kind: 'string' },
  'integer-id': { kind: 'int64' },
  offset: null,
};

/** What of a layout decides a read. Its rows are not read: events come with their inputs. */
export function oracleViewOf({ tieBreak, slots, features, expireUs }: ViewLayout): OracleView<never> {
  return {
    where: () => true,
    key: () => 'k',
    idType: ID_TYPES[tieBreak],
    expireUs,
    features: features.map(({ name, aggregate, slot, windowUs, hopUs, agoUs, population, top, quantiles, result }) => ({
      name,
      aggregate: aggregate as AggregateName,
      population,
      size: slots[slot]!.size,
      distinct: slots[slot]!.distinct,
      quantiles,
      accuracy: 2 ** -(1 + (slots[slot]!.octaveBits ?? 0)),
      top,
      limit: slots[slot]!.limit,
      input: slots[slot]!.input === null ? null : { type: slots[slot]!.input, of: () => null },
      order: slots[slot]!.order === undefined ? undefined : { type: slots[slot]!.order, of: () => null },
      by: slots[slot]!.by === undefined ? undefined : { ...slots[slot]!.by, of: () => null },
      resultType: result.kind === 'map' && isScalarType(result.value) ? result.value : null,
      over: windowUs === null || hopUs === null ? null : { windowUs, hopUs, agoUs },
    })),
  };
}

export function oracleEventsOf(
  { tieBreak, slots, features }: ViewLayout,
  events: readonly PreparedEvent[],
): OracleEvent[] {
  return events.map(({ partition, offset, eventTimeUs, id, inputs }) => ({
    partition,
    offset,
    eventTimeUs,
    id: tieBreak === 'integer-id' ? BigInt(id ?? '') : id,
    inputs: features.map(({ slot }) => inputs[slot]!),
    categories: features.map(({ slot }) => inputs[indexBeside(slots, slot, 'category')] ?? null),
    orders: features.map(({ slot }) => inputs[indexBeside(slots, slot, 'order')] ?? null),
  }));
}
