import { getHeapStatistics } from 'node:v8';
import { internalBug } from '../errors/millrace-error.ts';
import { MemoryBudget } from './memory-budget.ts';
import { DEFAULT_MEMORY_MB, memoryShares } from './memory-shares.ts';

let budget: MemoryBudget | null = null;

/**
 * The budget of this process, which all of its activities and calls share. Where nothing was set it is that of 2,048 MB, and what this
 * process's V8 can hold.
 *
 * @example
 * const memory = options.memory ?? processMemory();
 */
export function processMemory(): MemoryBudget {
  budget ??= budgetOf(DEFAULT_MEMORY_MB);
  return budget;
}

/**
 * Sets how much memory this process may take, MiB. To be called once, before anything is reserved.
 *
 * @throws MillraceError `internal-bug` where the budget is in use.
 * @example
 * setProcessMemory(readEnvironment().memoryMb);
 */
export function setProcessMemory(memoryMb: number): MemoryBudget {
  if (budget !== null && budget.holders().length > 0)
    throw internalBug('the memory of the process is set while it is in use');
  budget = budgetOf(memoryMb);
  return budget;
}

function budgetOf(memoryMb: number): MemoryBudget {
  return new MemoryBudget(memoryShares(memoryMb, getHeapStatistics().heap_size_limit));
}
