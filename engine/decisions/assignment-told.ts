/** Which variant of a rollout a unit was given: what `client.variant` tells, and a decision carries. */
export interface Assignment {
  /** The rollout's id: that of its row. */
  readonly rollout: string;
  /** Of the rollout's state. */
  readonly revision: number;
  /** From 0. */
  readonly stage: number;
  readonly variant: string;
  /** The chance that the unit has this variant, in (0, 1]. */
  readonly assignmentPropensity: number;
  readonly unit: string;
}
