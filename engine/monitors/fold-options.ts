import type pg from 'pg';

/** Whose parts are folded, and how much room there is. */
export interface FoldOptions {
  readonly pool: pg.Pool;
  readonly source: string;
  /** What the monitors of the source may take. */
  readonly budgetBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** For tests: what is thrown there is treated as the process dying there. */
  readonly failAt?: ((point: 'after-merge' | 'before-commit' | 'after-commit') => void | Promise<void>) | undefined;
}
