import type { DuckDBValue } from 'duckdb';

/** Collects the values of one statement; SQL text gets only their placeholders. */
export class BoundValues {
  readonly values: DuckDBValue[] = [];

  /** Adds a value and returns its placeholder. */
  add(value: DuckDBValue): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}
