import type { MetricGauge, MetricMeter } from '@temporalio/common';
import { duckDbMemory } from '../engine/memory/duckdb-memory.ts';
import { intakeMemory } from '../engine/memory/intake-memory.ts';
import type { MemoryBudget } from '../engine/memory/memory-budget.ts';
import { gaugeOn } from './worker-metrics.ts';

/** The memory of a worker, as its metrics `millrace_memory_…`. */
export class MemoryGauges {
  readonly #memory: MemoryBudget;
  readonly #intake: MemoryBudget;
  readonly #duckDb: MemoryBudget;
  readonly #limit: MetricGauge;
  readonly #used: MetricGauge;
  readonly #held: MetricGauge;
  readonly #waiting: MetricGauge;
  /** Whoever held something when it was shown last: then nothing is said of it but 0. */
  #holders = new Set<string>();

  constructor(meter: MetricMeter, memory: MemoryBudget) {
    this.#memory = memory;
    this.#intake = intakeMemory(memory);
    this.#duckDb = duckDbMemory(memory);
    this.#limit = gaugeOn(meter, 'millrace_memory_limit_bytes');
    this.#used = gaugeOn(meter, 'millrace_memory_used_bytes');
    this.#held = gaugeOn(meter, 'millrace_memory_held_bytes');
    this.#waiting = gaugeOn(meter, 'millrace_memory_waiting');
  }

  show(): void {
    const { limits, used } = this.#memory;
    for (const place of ['heap', 'buffers'] as const) {
      this.#limit.set(limits[place], { place });
      this.#used.set(used[place], { place });
    }
    const beside = [
      ['intake', this.#intake],
      ['duckdb', this.#duckDb],
    ] as const;
    for (const [place, budget] of beside) {
      this.#limit.set(budget.limits.heap + budget.limits.buffers, { place });
      this.#used.set(budget.usedBytes, { place });
      this.#waiting.set(budget.waiting().length, { place });
    }
    this.#waiting.set(this.#memory.waiting().length, { place: 'memory' });
    // A turn at DuckDB is no memory of ours.
    const holders = new Map<string, number>();
    for (const { what, heap, buffers } of [...this.#memory.holders(), ...this.#intake.holders()])
      holders.set(what, (holders.get(what) ?? 0) + heap + buffers);
    for (const holder of this.#holders) if (!holders.has(holder)) this.#held.set(0, { holder });
    for (const [holder, bytes] of holders) this.#held.set(bytes, { holder });
    this.#holders = new Set(holders.keys());
  }
}
