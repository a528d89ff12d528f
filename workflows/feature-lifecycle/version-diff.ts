/** Which versions of a view are compared. */
export interface DiffInput {
  readonly view: string;
  readonly before: number;
  readonly after: number;
  /** All entities up to so many, else so many by the hash of their key. */
  readonly entities: number;
}

/** What differs in one feature that both versions have. */
export interface FeatureDiff {
  readonly feature: string;
  readonly cells: number;
  readonly differing: number;
}

/** What two versions say at one prefix of the log and at one time. */
export interface DiffSummary {
  readonly view: string;
  readonly before: number;
  readonly after: number;
  /** When the values were read, epoch ms. */
  readonly atMs: number;
  readonly entities: number;
  /** False where not all entities were compared. */
  readonly isWhole: boolean;
  readonly cells: number;
  readonly differing: number;
  /** Of the shared features; in the order of the newer version. Of one whose type changed all cells differ. */
  readonly features: readonly FeatureDiff[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** Why nothing could be compared (other join keys), where that is so: then no cell was, and none is known to be equal. */
  readonly incomparable?: string | undefined;
}
