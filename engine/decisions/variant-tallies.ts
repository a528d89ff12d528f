/** What became of the decisions of one variant in one stage of a rollout. */
export interface VariantFigures {
  readonly rollout: string;
  readonly stage: number;
  readonly variant: string;
  readonly sent: number;
  readonly dropped: number;
}

/** The same, as it grows. */
export type VariantTally = { -readonly [Name in keyof VariantFigures]: VariantFigures[Name] };

/** A program has some rollouts at a time, each of a few stages and variants. */
const MOST_TALLIES = 1_000;

/** Counts what was sent and dropped, per rollout, stage and variant; of those that came last. */
export class VariantTallies {
  readonly #tallies = new Map<string, VariantTally>();

  /** That of an assignment; null where a decision has none. */
  of(
    assigned: { readonly rollout: string; readonly stage: number; readonly variant: string } | undefined,
  ): VariantTally | null {
    if (assigned === undefined) return null;
    const { rollout, stage, variant } = assigned;
    const id = JSON.stringify([rollout, stage, variant]);
    let tally = this.#tallies.get(id);
    if (tally === undefined) {
      tally = { rollout, stage, variant, sent: 0, dropped: 0 };
      const [oldest] = this.#tallies.keys();
      if (this.#tallies.size >= MOST_TALLIES && oldest !== undefined) this.#tallies.delete(oldest);
      this.#tallies.set(id, tally);
    }
    return tally;
  }

  get figures(): VariantFigures[] {
    return Array.from(this.#tallies.values(), (tally) => ({ ...tally }));
  }
}
