import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { SideReplay } from './replay-side.ts';

/** Of the heap, for the keys of both samples. */
const KEYS_SHARE = 0.3;
const STEP_BYTES = 16 << 20;
/** Fewer say too little: so many are compared whatever else there is in memory. */
const FEWEST = 200;

/** Makes what the two hold fit what is reserved: takes more where it can be had, and else leaves a quarter of the entities out. */
export function fitMemory(held: MemoryReservation, sides: readonly SideReplay[]): void {
  for (;;) {
    const buffers = sides.reduce((sum, { bytes }) => sum + bytes, 0);
    const keys = sides.reduce((sum, { sample }) => sum + sample.bytes, 0);
    const lackingBuffers = buffers - held.buffers;
    const lackingHeap = keys - held.heap * KEYS_SHARE;
    if (lackingBuffers <= 0 && lackingHeap <= 0) return;
    if (lackingBuffers > 0 && held.grow('buffers', Math.max(STEP_BYTES, lackingBuffers))) continue;
    if (lackingHeap > 0 && held.grow('heap', Math.max(STEP_BYTES, lackingHeap / KEYS_SHARE))) continue;
    const most = Math.floor(Math.max(...sides.map(({ sample }) => sample.count)) * 0.75);
    if (most < FEWEST) {
      if (lackingBuffers > 0) held.overdraw('buffers', lackingBuffers);
      if (lackingHeap > 0) held.overdraw('heap', lackingHeap / KEYS_SHARE);
      return;
    }
    for (const side of sides) side.shrink(most);
  }
}
