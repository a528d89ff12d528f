/** Who may write. `(generation, attemptMs)` is compared as a pair: the greater one wins, for ever. */
export interface Fence {
  /** Counted up by the workflow for each slice. */
  readonly generation: number;
  /** When the server scheduled this attempt, epoch ms. */
  readonly attemptMs: number;
  /** For people: which worker holds the partitions. */
  readonly owner: string;
}

/** The token that a stored row has. */
export interface HeldToken {
  readonly generation: number;
  readonly attempt_ms: number;
  readonly owner: string | null;
}

/**
 * Whether a claim under `fence` may take what is held.
 *
 * @param renew true when the run has claimed before: its own token does not count as another's
 */
export function mayTake(held: HeldToken, fence: Fence, renew: boolean): boolean {
  if (held.generation !== fence.generation) return held.generation < fence.generation;
  if (held.attempt_ms !== fence.attemptMs) return held.attempt_ms < fence.attemptMs;
  return renew && held.owner === fence.owner;
}
