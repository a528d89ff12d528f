import { MemoryBudget } from './memory-budget.ts';

const ofBudgets = new WeakMap<MemoryBudget, MemoryBudget>();

/**
 * The part of a budget that is for records on their way in: fetched, inflated, queued, and not yet done with. It is one of its own, so that a read may
 * wait for memory while its caller holds some: what is held here is given back by working it off, and nobody who works waits for memory.
 *
 * @example
 * const held = await intakeMemory(memory).reserve({ buffers: 1 << 20 }, 'reading flights', { signal });
 */
export function intakeMemory(memory: MemoryBudget): MemoryBudget {
  let intake = ofBudgets.get(memory);
  if (intake === undefined) {
    intake = new MemoryBudget({ ...memory.shares, limits: memory.shares.intake });
    ofBudgets.set(memory, intake);
  }
  return intake;
}
