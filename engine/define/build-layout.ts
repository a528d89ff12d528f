import type { RowFunction } from './feature.ts';
import type { FeaturePlan } from './read-features.ts';
import {
  ENGINE_SEMANTICS,
  type FeatureLayout,
  type GroupLayout,
  type SlotLayout,
  type ViewLayout,
} from './view-layout.ts';

/** A slot with where its input comes from: a field, a row function, or null for `count()`. */
export interface SlotPlan extends SlotLayout {
  readonly from: string | RowFunction | null;
  /** Where its y comes from; null of a slot that takes none. */
  readonly orderFrom: string | RowFunction | null;
  /** The first feature that reads it; failures of its function are told under this name. */
  readonly feature: string;
}

/** What decides a slot's inputs: where its value comes from, then, under its name, each thing beside it. */
export function slotFunctions({ from, orderFrom }: SlotPlan): (string | RowFunction | null)[] {
  return orderFrom === null ? [from] : [from, 'order', orderFrom];
}

/** Groups features by hop and shares equal partials (design of tiles: engine/state/README.md). */
export function buildLayout(
  head: Pick<ViewLayout, 'view' | 'entity' | 'keys' | 'tieBreak'>,
  features: readonly FeaturePlan[],
): { layout: ViewLayout; slots: readonly SlotPlan[] } {
  const spans = new Map<number | null, number | null>();
  for (const { hopUs, windowUs } of features) {
    spans.set(hopUs, hopUs === null ? null : Math.max(spans.get(hopUs) ?? 0, windowUs ?? 0));
  }
  const groups: GroupLayout[] = [...spans]
    .map(([hopUs, spanUs]) => ({ hopUs, spanUs }))
    .sort((a, b) => (a.hopUs ?? Number.POSITIVE_INFINITY) - (b.hopUs ?? Number.POSITIVE_INFINITY));
  const slots: SlotPlan[] = [];
  groups.forEach(({ hopUs }, group) => {
    for (const feature of features) {
      if (feature.hopUs !== hopUs || slots.some((slot) => slot.group === group && shares(slot, feature))) continue;
      slots.push({
        partial: feature.partial,
        input: feature.input?.type ?? null,
        order: feature.order?.type,
        group,
        from: feature.input?.from ?? null,
        orderFrom: feature.order?.from ?? null,
        feature: feature.name,
      });
    }
  });
  const layout: ViewLayout = {
    semantics: ENGINE_SEMANTICS,
    ...head,
    groups,
    slots: slots.map(slotLayout),
    features: features.map((feature): FeatureLayout => {
      const group = groups.findIndex(({ hopUs }) => hopUs === feature.hopUs);
      const slot = slots.findIndex((candidate) => candidate.group === group && shares(candidate, feature));
      const { name, aggregate, windowUs, hopUs, result } = feature;
      return { name, aggregate, slot, windowUs, hopUs, result, nullable: aggregate !== 'count' };
    }),
  };
  return { layout, slots };
}

/** A slot as the layout has it: what it does not take is not in it, for the layout is in every fingerprint and tag. */
function slotLayout({ partial, input, order, group }: SlotLayout): SlotLayout {
  return order === undefined ? { partial, input, group } : { partial, input, order, group };
}

function shares(slot: SlotPlan, feature: FeaturePlan): boolean {
  return (
    slot.partial === feature.partial &&
    slot.from === (feature.input?.from ?? null) &&
    JSON.stringify(slot.input) === JSON.stringify(feature.input?.type ?? null) &&
    slot.orderFrom === (feature.order?.from ?? null) &&
    JSON.stringify(slot.order) === JSON.stringify(feature.order?.type)
  );
}
