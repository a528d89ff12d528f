import type { Impurity } from './impurity.ts';

/** What sets a trap. */
export interface Install {
  /** Puts a value in the place of another. */
  readonly replace: (holder: object, name: string, value: unknown) => void;
  /** Puts a function or class in the place of another that is noticed first and then does the same. */
  readonly trapped: (holder: object, name: string, what: Impurity) => void;
  /** Says what is about to be used; may throw. */
  readonly notice: (what: Impurity) => void;
  /** Runs what was noticed already: what it uses in turn is its own affair. */
  readonly unnoticed: <T>(use: () => T) => T;
}
