import type { RowFunction } from './feature.ts';
import { slotOptions } from './slot-options.ts';
import type { FeaturePlan, InputPlan } from './read-features.ts';
import {
  canFail,
  ENGINE_SEMANTICS,
  type FeatureLayout,
  type GroupLayout,
  type PartialKind,
  type SlotLayout,
  type ViewLayout,
} from './view-layout.ts';

/** A slot with the first feature that reads it: where its inputs come from, and the name that failures of its functions are told under. */
export interface SlotPlan extends SlotLayout {
  readonly plan: FeaturePlan;
}

/** What decides a slot's inputs: where its value comes from, then, under its name, each thing beside it. */
export function slotFunctions({ plan: { input, order, by, condition } }: SlotPlan): (string | RowFunction | null)[] {
  return [
    input?.from ?? null,
    ...(order === null ? [] : ['order', order.from]),
    ...(by === null ? [] : ['by', by.from]),
    ...(condition === null ? [] : ['where', condition]),
  ];
}

/** Groups features by hop and shares equal partials (design of tiles: engine/state/README.md). */
export function buildLayout(
  head: Pick<ViewLayout, 'view' | 'entity' | 'keys' | 'tieBreak'>,
  expireUs: number | null,
  declared: readonly FeaturePlan[],
): { layout: ViewLayout; slots: readonly SlotPlan[] } {
  const spans = new Map<number | null, number | null>();
  for (const { hopUs, windowUs, agoUs } of declared) {
    spans.set(hopUs, hopUs === null ? null : Math.max(spans.get(hopUs) ?? 0, (windowUs ?? 0) + agoUs));
  }
  const groups: GroupLayout[] = [...spans]
    .map(([hopUs, spanUs]) => ({ hopUs, spanUs }))
    .sort((a, b) => (a.hopUs ?? Number.POSITIVE_INFINITY) - (b.hopUs ?? Number.POSITIVE_INFINITY));
  const slots: SlotPlan[] = [];
  const features = withShared(declared);
  groups.forEach(({ hopUs }, group) => {
    for (const feature of features) {
      if (feature.hopUs !== hopUs || slots.some((slot) => slot.group === group && shares(slot, feature))) continue;
      slots.push({
        partial: feature.partial,
        input: feature.input?.type ?? null,
        order: feature.order?.type,
        by: feature.by === null ? undefined : { type: feature.by.type, limit: feature.by.limit },
        size: feature.size,
        distinct: feature.distinct ? true : undefined,
        octaveBits: feature.octaveBits,
        hashes: feature.hashes,
        limit: feature.limit,
        conditional: feature.condition === null ? undefined : true,
        group,
        plan: feature,
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
      const { name, aggregate, windowUs, hopUs, agoUs, result, population, top, quantiles, fill } = feature;
      const nullable = canBeNull(feature) && (fill === undefined || canFail(feature));
      const more = {
        ...(agoUs > 0 ? { agoUs } : {}),
        ...(population ? { population } : {}),
        ...(quantiles === undefined ? {} : { quantiles }),
        ...(top === undefined ? {} : { top }),
        ...(fill === undefined ? {} : { default: fill }),
      };
      return { name, aggregate, slot, windowUs, hopUs, result, nullable, ...more };
    }),
    ...(expireUs === null ? {} : { expireUs }),
  };
  return { layout, slots };
}

/** Counts are 0 where there is nothing, but as a map. */
function canBeNull({ aggregate, result }: FeaturePlan): boolean {
  return (aggregate !== 'count' && aggregate !== 'approxDistinct') || result.kind === 'map';
}

/** What a partial stands in where there is one of that kind over the same input, in the same group and of the same options. */
const WIDER: Partial<Record<PartialKind, PartialKind>> = { sum: 'moments', values: 'counts' };

function withShared(features: readonly FeaturePlan[]): FeaturePlan[] {
  return features.map((feature) => {
    const partial = WIDER[feature.partial];
    if (partial === undefined) return feature;
    const wider = { ...feature, partial };
    return features.some((other) => other.hopUs === feature.hopUs && sharePartial(other, wider)) ? wider : feature;
  });
}

/** A slot as the layout has it: what it does not take is not in it, for the layout is in every fingerprint and tag. */
function slotLayout(slot: SlotLayout): SlotLayout {
  const { partial, input, order, by, conditional, group } = slot;
  return {
    partial,
    input,
    ...(order === undefined ? {} : { order }),
    ...(by === undefined ? {} : { by }),
    ...slotOptions(slot),
    ...(conditional === undefined ? {} : { conditional }),
    group,
  };
}

function shares({ plan }: SlotPlan, feature: FeaturePlan): boolean {
  return sharePartial(plan, feature);
}

function sharePartial(a: FeaturePlan, b: FeaturePlan): boolean {
  const sameOptions =
    a.size === b.size &&
    a.distinct === b.distinct &&
    a.limit === b.limit &&
    a.octaveBits === b.octaveBits &&
    a.hashes === b.hashes;
  return a.partial === b.partial && sameOptions && sameInputs(a, b);
}

function sameInputs(a: FeaturePlan, b: FeaturePlan): boolean {
  return (
    sameInput(a.input, b.input) &&
    sameInput(a.order, b.order) &&
    sameInput(a.by, b.by) &&
    a.by?.limit === b.by?.limit &&
    a.condition === b.condition
  );
}

/** Functions are the same only where they are one. */
function sameInput(a: InputPlan | null, b: InputPlan | null): boolean {
  return a?.from === b?.from && JSON.stringify(a?.type) === JSON.stringify(b?.type);
}
