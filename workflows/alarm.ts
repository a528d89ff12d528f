import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

/** One timer that is set and set again: as long as its time stays the same it is one and the same timer, whatever wakes the workflow meanwhile. */
export class Alarm {
  readonly #ring: () => void;
  #set: { readonly atMs: number; readonly scope: CancellationScope } | null = null;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** @param atMs null: at no time */
  set(atMs: number | null, summary: string): void {
    if (atMs === (this.#set?.atMs ?? null)) return;
    this.#set?.scope.cancel();
    this.#set = atMs === null ? null : { atMs, scope: new CancellationScope() };
    if (this.#set !== null) void this.#sleep(this.#set, summary);
  }

  async #sleep(set: { readonly atMs: number; readonly scope: CancellationScope }, summary: string): Promise<void> {
    try {
      await set.scope.run(() => sleep(Math.max(1, set.atMs - Date.now()), { summary }));
    } catch (error) {
      if (isCancellation(error)) return;
      throw error;
    }
    if (this.#set === set) this.#set = null;
    this.#ring();
  }
}
