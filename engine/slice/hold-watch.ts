import { realEnd } from '../topic/log-reader.ts';
import { heldBack } from '../topic/topic-errors.ts';
import type { SliceOffset } from './slice-options.ts';
import { HELD_BACK, type Waiting } from './wait-watch.ts';

interface Hold {
  readonly endOffset: number;
  readonly sinceMs: number;
  readonly epochMs: number;
}

/**
 * Knows which partitions an open transaction holds back: nothing behind its beginning is given to anybody until it is committed or aborted. A
 * hold is told once it has lasted, at one and the same transaction: producers of transactions have one open at all times.
 */
export class HoldWatch {
  readonly #topic: string;
  readonly #tellAfterMs: number;
  readonly #holds = new Map<number, Hold>();
  /** What the caller knows already, until it is over. */
  #told: Waiting | null;
  #isFirstLook = true;

  /** @param known what the caller knows the run to wait for */
  constructor(topic: string, known: Waiting | null, tellAfterMs: number) {
    this.#topic = topic;
    this.#tellAfterMs = tellAfterMs;
    this.#told = known?.code === HELD_BACK ? known : null;
  }

  /** What holds the run back, for long enough to be told; null: nothing does. */
  look(offsets: readonly SliceOffset[], nowMs: number, epochMs: number): Waiting | null {
    if (offsets.length === 0) return this.#told;
    const held: { readonly offset: SliceOffset; readonly hold: Hold }[] = [];
    for (const offset of offsets) {
      const hold = this.#holdOf(offset, nowMs, epochMs);
      if (hold !== null) held.push({ offset, hold });
    }
    this.#isFirstLook = false;
    const long = held.filter(({ hold }) => nowMs - hold.sinceMs >= this.#tellAfterMs);
    if (long.length === 0) return (this.#told = null);
    const sinceMs = Math.min(...long.map(({ hold }) => hold.epochMs));
    const error = heldBack(
      this.#topic,
      long.map(({ offset: { partition, endOffset, heldBy } }) => ({
        partition,
        offset: endOffset,
        producerId: heldBy,
      })),
    );
    return (this.#told = { code: HELD_BACK, message: error.message, sinceMs });
  }

  #holdOf(offset: SliceOffset, nowMs: number, epochMs: number): Hold | null {
    const { partition, nextOffset, endOffset } = offset;
    // One that has not read what it can is behind by itself.
    if (nextOffset < endOffset || realEnd(offset) <= Math.max(endOffset, nextOffset)) {
      this.#holds.delete(partition);
      return null;
    }
    const known = this.#holds.get(partition);
    if (known?.endOffset === endOffset) return known;
    const hold =
      this.#isFirstLook && this.#told !== null
        ? { endOffset, sinceMs: nowMs - this.#tellAfterMs, epochMs: this.#told.sinceMs }
        : { endOffset, sinceMs: nowMs, epochMs };
    this.#holds.set(partition, hold);
    return hold;
  }
}
