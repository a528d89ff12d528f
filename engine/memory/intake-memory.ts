import { MemoryBudget, type MemoryReservation } from './memory-budget.ts';
import type { MemoryAmount } from './memory-shares.ts';

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

/** A wait shorter than this is how reads take turns, and no news. */
const TELL_AFTER_MS = 1_000;

/** What a read is told beside the size of what it reserves. */
export interface IntakeWait {
  readonly signal?: AbortSignal | undefined;
  /** Told what is waited for where that lasts, and null once it is over. */
  readonly onWait?: ((text: string | null) => void) | undefined;
}

/**
 * Reserves memory for records on their way in, and says so where it waits for it for a second or more.
 *
 * @throws MillraceError `memory-limit-too-small`; the signal's reason
 * @example
 * const held = await reserveIntake(intake, { buffers: 1 << 20 }, 'reading flights', { signal, onWait: (text) => show(text) });
 */
export async function reserveIntake(
  intake: MemoryBudget,
  bytes: Partial<MemoryAmount>,
  what: string,
  { signal, onWait }: IntakeWait,
): Promise<MemoryReservation> {
  let timer: NodeJS.Timeout | undefined;
  let isTold = false;
  try {
    return await intake.reserve(bytes, what, {
      signal,
      onWait: (text) => {
        if (onWait === undefined) return;
        timer = setTimeout(() => {
          isTold = true;
          onWait(text);
        }, TELL_AFTER_MS);
      },
    });
  } finally {
    clearTimeout(timer);
    if (isTold) onWait?.(null);
  }
}
