import type { MetricGauge, MetricMeter } from '@temporalio/common';
import type { MemoryBudget } from '../engine/memory/memory-budget.ts';

/**
 * The memory of a worker, as its metrics: `millrace_memory_limit_bytes` and `millrace_memory_used_bytes` by `place` (`heap`, `buffers`),
 * `millrace_memory_held_bytes` by `holder`, and `millrace_memory_waiting`, how many activities wait for memory.
 */
export class MemoryGauges {
  readonly #memory: MemoryBudget;
  readonly #limit: MetricGauge;
  readonly #used: MetricGauge;
  readonly #held: MetricGauge;
  readonly #waiting: MetricGauge;
  /** Whoever held something when it was shown last: then nothing is said of it but 0. */
  #holders = new Set<string>();

  constructor(meter: MetricMeter, memory: MemoryBudget) {
    this.#memory = memory;
    this.#limit = meter.createGauge('millrace_memory_limit_bytes', 'int', 'bytes');
    this.#used = meter.createGauge('millrace_memory_used_bytes', 'int', 'bytes');
    this.#held = meter.createGauge('millrace_memory_held_bytes', 'int', 'bytes');
    this.#waiting = meter.createGauge('millrace_memory_waiting', 'int', 'activities');
  }

  show(): void {
    const { limits, used } = this.#memory;
    for (const place of ['heap', 'buffers'] as const) {
      this.#limit.set(limits[place], { place });
      this.#used.set(used[place], { place });
    }
    const holders = new Map(this.#memory.holders().map(({ what, heap, buffers }) => [what, heap + buffers]));
    for (const holder of this.#holders) if (!holders.has(holder)) this.#held.set(0, { holder });
    for (const [holder, bytes] of holders) this.#held.set(bytes, { holder });
    this.#holders = new Set(holders.keys());
    this.#waiting.set(this.#memory.waiting().length);
  }
}
