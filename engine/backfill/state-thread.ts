import { Worker } from 'node:worker_threads';
import type { ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { ownModule } from '../installation/own-module.ts';
import type { PackedBlock } from './event-block.ts';
import type { StateAnswer, StateRequest } from './state-worker.ts';

/** The states in a thread of their own; the calls of `EntityStates`, answered in order. */
export class StateThread {
  readonly #worker: Worker;
  #waiting: PromiseWithResolvers<StateAnswer>[] = [];
  #failure: unknown = null;

  constructor(layout: ViewLayout) {
    this.#worker = new Worker(ownModule('./state-worker', import.meta.url), { workerData: layout });
    this.#worker.on('message', (answer: StateAnswer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) =>
      this.#fail(internalBug(`the thread of a backfill's states ended with code ${code}`)),
    );
  }

  async apply(block: PackedBlock): Promise<void> {
    await this.#ask({ ask: 'apply', block });
  }

  async estimateBytes(): Promise<number> {
    return (await this.#ask({ ask: 'estimate' })) as number;
  }

  async encoded(from: number, count: number): Promise<Uint8Array[]> {
    return (await this.#ask({ ask: 'encode', from, count })) as Uint8Array[];
  }

  async clear(): Promise<void> {
    await this.#ask({ ask: 'clear' });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: StateRequest): Promise<StateAnswer> {
    const answer = Promise.withResolvers<StateAnswer>();
    // A failure while nobody waits is told to the next who asks.
    answer.promise.catch(() => {});
    if (this.#failure !== null) answer.reject(this.#failure);
    else {
      this.#waiting.push(answer);
      this.#worker.postMessage(request, []);
    }
    return answer.promise;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting) waiting.reject(this.#failure);
    this.#waiting = [];
  }
}
