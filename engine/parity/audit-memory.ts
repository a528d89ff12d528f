import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { EVENT_BYTES } from './held-events.ts';

/** What an audit begins with. */
export const LEAST_AUDIT_MEMORY: MemoryAmount = { heap: 72 << 20, buffers: 32 << 20 };
/** What it takes beside that where it can have it. */
const MORE_HEAP_BYTES = 512 << 20;
const STATES_SHARE = 0.4;
const READS_SHARE = 0.3;
const MAX_HELD_EVENTS = 1_000_000;

/** The heap of an audit, by what it is for, in bytes: the sample is as large as its memory. */
export interface AuditHeap {
  readonly states: number;
  /** Of logged reads, and of their entities' states. */
  readonly reads: number;
  /** Events, and no bytes: held for the diagnosis. */
  readonly events: number;
}

/** Takes more of the heap where it can be had: all, a half, a quarter. */
export function auditHeap(held: MemoryReservation): AuditHeap {
  for (let more = MORE_HEAP_BYTES; more > 1 << 20 && !held.grow('heap', more); ) more /= 2;
  const states = held.heap * STATES_SHARE;
  const reads = held.heap * READS_SHARE;
  return { states, reads, events: Math.min(MAX_HELD_EVENTS, Math.floor((held.heap - states - reads) / EVENT_BYTES)) };
}
