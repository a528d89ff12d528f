import { Worker } from 'node:worker_threads';
import type { ViewLayout } from '../define/view-layout.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { childEnvironment } from '../installation/child-environment.ts';
import { ownModule } from '../installation/own-module.ts';
import type { EncodedRun } from '../state/encoded-run.ts';
import type { PackedBlock } from './event-block.ts';
import type { StateAnswer, StateRequest, StateWorkerData } from './state-worker.ts';

/** The old space of the thread: decoded states, the texts of a block, and what is not collected yet. */
export const THREAD_HEAP_BYTES = 48 << 20;
/** What it is given beside that where it can be had: some thousands of states stay decoded then, and are not decoded for each block. */
export const MORE_THREAD_HEAP_BYTES = 64 << 20;
/** The part of it that decoded states may take. */
const DECODED_SHARE = 0.42;

/** The states in a thread of their own; the calls of `EntityStates`, answered in order. */
export class StateThread {
  readonly #worker: Worker;
  #waiting: PromiseWithResolvers<StateAnswer>[] = [];
  #failure: unknown = null;

  /** @param heapBytes the old space of the thread */
  constructor(layout: ViewLayout, heapBytes = THREAD_HEAP_BYTES) {
    const states: StateWorkerData = { layout, decodedBytes: Math.floor(heapBytes * DECODED_SHARE) };
    this.#worker = new Worker(ownModule('./state-worker', import.meta.url), {
      workerData: states,
      env: childEnvironment(),
      // Of the heap's share, not beside it.
      resourceLimits: { maxOldGenerationSizeMb: heapBytes / 2 ** 20, maxYoungGenerationSizeMb: 32 },
    });
    this.#worker.on('message', (answer: StateAnswer) => this.#waiting.shift()?.resolve(answer));
    this.#worker.on('error', (error) => this.#fail(namedHeapFault(error, layout, heapBytes)));
    this.#worker.on('exit', (code) =>
      this.#fail(internalBug(`the thread of a backfill's states ended with code ${code}`)),
    );
  }

  /** Gives what the states take outside of the heap, in bytes. */
  async apply(block: PackedBlock): Promise<number> {
    return (await this.#ask({ ask: 'apply', block })) as number;
  }

  async encoded(from: number, count: number): Promise<EncodedRun> {
    return (await this.#ask({ ask: 'encode', from, count })) as EncodedRun;
  }

  async clear(keepsMemory: boolean): Promise<void> {
    await this.#ask({ ask: 'clear', keepsMemory });
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

function namedHeapFault(error: unknown, layout: ViewLayout, heapBytes: number): unknown {
  if (!(error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY')) return error;
  return new MillraceError(
    'memory-limit-too-small',
    `the states of view "${layout.view}" that one block of events touches do not fit into the ${heapBytes / 2 ** 20} MB of heap that a backfill's thread has: a state of it is very large`,
    {
      remedy: 'Keep less per entity: shorter windows or wider hops, no long texts in first and last.',
      httpStatus: 500,
      cause: error,
    },
  );
}
