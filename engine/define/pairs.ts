import { z } from 'zod';
import type { Shape } from '../contract/row-of.ts';
import type { Decisions } from './decisions.ts';
import { type Duration, durationMicros } from './duration.ts';
import type { LabelScalar, LabelSet } from './label-set.ts';
import { type Source, source } from './source.ts';

type MembersOf<S> = S extends Source<string, infer Members> ? NonNullable<Members> : never;

/** What a pair says: which, when, and both records as their own contracts have them. */
export type PairMembers<D extends Shape, O extends Shape> = {
  readonly pair_id: z.ZodString;
  /** The later of both times: that of the outcome. */
  readonly paired_at: z.ZodISODateTime;
  readonly decision: z.ZodObject<D>;
  readonly outcome: z.ZodObject<O>;
};

/** A source of pairs. */
export interface Pairs<Name extends string, D extends Shape, O extends Shape>
  extends Source<`pairs_${Name}`, PairMembers<D, O>> {
  readonly pairsOf: Name;
}

type AnyPairs = Pairs<string, Shape, Shape>;

/** One source per label set, however often it is asked for. */
const made = new WeakMap<object, AnyPairs>();

const HOUR_US = 3_600_000_000;

/**
 * The pairs of a label set, of a decision and an outcome of it up to its horizon later, as a source like any other: views over it tell what came of what
 * was decided. They are on a topic of their own, where the label set's joiner writes them (`millrace pairs LABELSET`).
 *
 * @example
 * export const clicksPerAd = featureView('clicks_per_ad', {
 *   entity: ad,
 *   source: pairs(clicked),
 *   key: (e) => ({ ad_id: e.decision.action }),
 *   features: (f) => ({ clicks_7d: f.count().over('7d') }),
 * });
 */
export function pairs<Name extends string, D extends Decisions, O extends Source, Value extends LabelScalar>(
  labelSet: LabelSet<Name, D, O, Value>,
): Pairs<Name, MembersOf<D>, MembersOf<O>> {
  let known = made.get(labelSet);
  if (known === undefined) made.set(labelSet, (known = pairsOf(labelSet as unknown as LabelSet)));
  return known as unknown as Pairs<Name, MembersOf<D>, MembersOf<O>>;
}

function pairsOf({ name, options }: LabelSet): AnyPairs {
  // Of a label set that is none the plan tells: here nothing may fail while files are imported.
  const { decisions, outcomes } = (options ?? {}) as Partial<LabelSet['options']>;
  const logs = { decision: decisions?.options, outcome: outcomes?.options };
  const facts = Object.values(logs).filter((each) => each !== undefined);
  const sensitive = (['decision', 'outcome'] as const).filter((side) => (logs[side]?.sensitive ?? []).length > 0);
  const { maxAhead, brokerTime } = logs.outcome ?? {};
  const declared = source(`pairs_${name}`, {
    schema: z.object({
      pair_id: z.string().min(1),
      paired_at: z.iso.datetime(),
      decision: logs.decision?.schema ?? z.object({}),
      outcome: logs.outcome?.schema ?? z.object({}),
    }) as z.ZodObject,
    eventTime: 'paired_at' as never,
    eventId: 'pair_id' as never,
    // A pair has the later broker time of its records.
    maxAhead: brokerTime === 'none' ? false : maxAhead,
    ...(facts.some(({ finerThanMicros }) => finerThanMicros === 'truncate') ? { finerThanMicros: 'truncate' } : {}),
    ...(sensitive.length === 0 ? {} : { sensitive }),
    dedupeHorizon: longest([options?.horizon ?? options?.matureAfter, ...facts.map((each) => each.dedupeHorizon)]),
  });
  return Object.freeze({ ...declared, pairsOf: name }) as unknown as AnyPairs;
}

/** A pair is made as late as its records may be: so long it has to be told from a repeat. */
function longest(durations: readonly (Duration | undefined)[]): Duration {
  const known = durations.map((text) => (text === undefined ? HOUR_US * 24 : (durationMicros(text) ?? 0)));
  return `${Math.ceil(Math.max(HOUR_US * 24, ...known) / 1_000_000)}s`;
}
