import { EvidenceSums } from '../evidence/evidence-sums.ts';
import type { Label } from '../evidence/label-rule.ts';
import { type UnitObservation, unitObservation } from '../evidence/unit-observation.ts';
import { foldNovelty } from './fold-novelty.ts';
import { inTime, type ObservedDecision } from './observed-decision.ts';
import type { RolloutRule } from './rollout-rule.ts';
import { emptyTally, type StageCounts, type StageTally } from './stage-counts.ts';

/** The sums of the metric itself, and of what inverse propensities make of it. */
export const METRIC = 'metric';
export const WEIGHTED = 'weighted';
/** Beside the variants' own sums: that of differences, of pairs or weighted. */
export const DIFFERENCE = 'difference';

/** What decisions and their labels say of a rollout, as of one time. */
export interface RolloutEvidence {
  readonly sums: EvidenceSums;
  /** In order of stage; of each that has a decision. */
  readonly stages: readonly StageCounts[];
}

/** Nothing is told of it, and it is final. */
const NOTHING: Label<number> = { kind: 'label', value: null, outcomes: 0, afterMaturity: 0 };

/**
 * Takes the decisions of a rollout, each once and in any order, and makes of them one observation per unit and stage; of a bandit per unit and revision,
 * each of which draws anew. A function of the set of decisions and of `asOfUs`.
 *
 * @example
 * const fold = new UnitFold(rule);
 * for await (const batch of scan) for (const one of batch) fold.take(observedOf(one));
 * const { sums, stages } = fold.evidence(scan.asOfUs);
 */
export class UnitFold {
  readonly #rule: Pick<RolloutRule, 'stages' | 'observeUs' | 'mode'>;
  readonly #units = new Map<string, ObservedDecision[]>();
  readonly #withoutUnit = new Map<number, number>();

  constructor(rule: Pick<RolloutRule, 'stages' | 'observeUs' | 'mode'>) {
    this.#rule = rule;
  }

  take(decision: ObservedDecision): void {
    if (this.#rule.stages[decision.stage] === undefined) return;
    const { unit, stage } = decision;
    if (unit === null || unit === '') {
      this.#withoutUnit.set(stage, (this.#withoutUnit.get(stage) ?? 0) + 1);
      return;
    }
    const own = this.#units.get(unit);
    if (own === undefined) this.#units.set(unit, [decision]);
    else own.push(decision);
  }

  evidence(asOfUs: number): RolloutEvidence {
    const sums = new EvidenceSums();
    const tallies = new Map<number, StageTally>();
    const tallyOf = (stage: number): StageTally => {
      const tally = tallies.get(stage) ?? emptyTally(stage);
      tallies.set(stage, tally);
      return tally;
    };
    for (const [stage, count] of this.#withoutUnit) tallyOf(stage).withoutUnit = count;
    for (const all of this.#units.values()) {
      all.sort(inTime);
      for (const [stage, own] of Map.groupBy(all, (decision) => decision.stage)) {
        const tally = tallyOf(stage);
        if (this.#rule.stages[stage]!.share === 0) this.#shadow(own, asOfUs, sums, tally);
        else if (this.#rule.mode === 'stages') this.#observe(own, asOfUs, sums, tally);
        else
          for (const drawn of Map.groupBy(own, ({ revision }) => revision).values())
            this.#observe(drawn, asOfUs, sums, tally);
      }
      foldNovelty(
        all.filter(({ stage }) => this.#rule.stages[stage]!.share > 0),
        asOfUs,
        sums,
      );
    }
    return { sums, stages: [...tallies.values()].sort((a, b) => a.stage - b.stage) };
  }

  /** One observation of a unit that has one variant: that of its first decision. */
  #observe(own: readonly ObservedDecision[], asOfUs: number, sums: EvidenceSums, tally: StageTally): void {
    const { variant, stage, segments, chance } = own[0]!;
    const counts = sideOf(tally, variant);
    if (counts === null) return;
    const ofIt = own.filter((decision) => decision.variant === variant);
    if (ofIt.length < own.length) tally.mixed++;
    const observation = unitObservation(ofIt, this.#rule.observeUs, asOfUs);
    counts.exposed++;
    counts[observation.kind]++;
    if (observation.kind !== 'observed') return;
    const { value } = observation;
    sums.observe({ metric: METRIC, stage, variant, segments, value });
    if (this.#rule.mode !== 'bandit' || chance === null || !(chance > 0)) return;
    // What the variant that the unit does not have would have told counts as 0: so the mean over all units is the variant's.
    for (const each of ['candidate', 'against'])
      sums.observe({ metric: WEIGHTED, stage, variant: each, segments, value: each === variant ? value / chance : 0 });
    const weighted = variant === 'candidate' ? value / chance : -value / chance;
    sums.observe({ metric: WEIGHTED, stage, variant: DIFFERENCE, segments, value: weighted });
  }

  /** In shadow both variants decide on each request: a unit tells by how much they differ on the same ones. */
  #shadow(own: readonly ObservedDecision[], asOfUs: number, sums: EvidenceSums, tally: StageTally): void {
    const shadows = new Map<string, ObservedDecision>();
    for (const one of own) if (one.shadowOf !== null) shadows.set(one.shadowOf, one);
    const acted = own.filter(({ shadowOf }) => shadowOf === null);
    const pairs = acted.map((decision) => ({ decision, shadow: shadows.get(decision.id) }));
    const paired = pairs.reduce((sum, { shadow }) => sum + (shadow === undefined ? 0 : 1), 0);
    tally.unpaired += acted.length + shadows.size - 2 * paired;
    if (shadows.size > 0) tally.candidate.exposed++;
    if (acted.length > 0) tally.against.exposed++;
    if (paired === 0) return;
    tally.paired++;
    const { stage, segments } = acted[0]!;
    // A request that one of the two did not decide on tells nothing, and begins the unit's time all the same.
    const sides = (of: (candidate: number, against: number) => number): UnitObservation =>
      unitObservation(
        pairs.map(({ decision, shadow }) => ({
          timeUs: decision.timeUs,
          label: shadow === undefined ? NOTHING : both(shadow.label, decision.label, of),
        })),
        this.#rule.observeUs,
        asOfUs,
      );
    const difference = sides((candidate, against) => candidate - against);
    tally.candidate[difference.kind]++;
    tally.against[difference.kind]++;
    if (difference.kind !== 'observed') return;
    const observe = (variant: string, observation: UnitObservation): void => {
      if (observation.kind === 'observed')
        sums.observe({ metric: METRIC, stage, variant, segments, value: observation.value });
    };
    observe(DIFFERENCE, difference);
    observe(
      'candidate',
      sides((candidate) => candidate),
    );
    observe(
      'against',
      sides((_, against) => against),
    );
  }
}

function both(a: Label<number>, b: Label<number>, of: (a: number, b: number) => number): Label<number> {
  if (a.kind === 'immature' || b.kind === 'immature') return { kind: 'immature' };
  if (a.kind !== 'label' || b.kind !== 'label' || a.value === null || b.value === null) return NOTHING;
  return { kind: 'label', value: of(a.value, b.value), outcomes: a.outcomes, afterMaturity: 0 };
}

function sideOf(tally: StageTally, variant: string): StageTally['candidate'] | null {
  if (variant === 'candidate') return tally.candidate;
  return variant === 'against' ? tally.against : null;
}
