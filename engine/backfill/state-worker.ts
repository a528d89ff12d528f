/** A thread that holds the states of a backfill: it applies one block while the main thread decodes and prepares the next. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ViewLayout } from '../define/view-layout.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { EncodedRun } from '../state/encoded-run.ts';
import { EntityStates } from './entity-states.ts';
import type { PackedBlock } from './event-block.ts';

/** What the thread is begun with. */
export interface StateWorkerData {
  readonly layout: ViewLayout;
  /** What decoded states may take of its heap. */
  readonly decodedBytes: number;
}

/** What the main thread asks; each is answered once, in order. */
export type StateRequest =
  | { readonly ask: 'apply'; readonly block: PackedBlock }
  | { readonly ask: 'encode'; readonly from: number; readonly count: number }
  | { readonly ask: 'clear'; readonly keepsMemory: boolean };

/** Bytes outside of the heap, encoded states, or null, as asked. */
export type StateAnswer = null | number | EncodedRun;

invariant(parentPort !== null, 'state-worker.ts runs as a worker thread only');
const port = parentPort;
const { layout, decodedBytes } = workerData as StateWorkerData;
const states = new EntityStates(layout, decodedBytes);

function answer(request: StateRequest): StateAnswer {
  switch (request.ask) {
    case 'apply':
      return states.apply(request.block);
    case 'encode':
      return states.encoded(request.from, request.count);
    case 'clear':
      states.clear(request.keepsMemory);
      return null;
  }
}

// An error ends the thread, and reaches the main one as the worker's `error` event.
port.on('message', (request: StateRequest) => {
  const answered = answer(request);
  const moved = typeof answered === 'object' && answered !== null ? [answered.bytes.buffer, answered.ends.buffer] : [];
  port.postMessage(answered, moved);
});
