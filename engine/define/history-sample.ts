/** Rows of a history that were held against its contract. */
export interface HistorySample {
  readonly source: string;
  readonly rows: number;
  /** Rows of the whole history; null where they were not counted. */
  readonly of: number | null;
  readonly invalid: number;
  /** The commonest reasons, with counts and an example of each; '' where all rows are valid. */
  readonly reasons: string;
}
