import { copyTo } from './state-store.ts';

/** Encoded states one after another: the bytes of the first end at the first of `ends`, where the second's begin. */
export interface EncodedRun {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Uint32Array<ArrayBuffer>;
}

/** Puts encoded states together: one piece of memory, where each would have its own. */
export function encodedRun(count: number, encoded: (index: number) => Uint8Array): EncodedRun {
  let bytes = new Uint8Array(count * 256);
  const ends = new Uint32Array(count);
  let length = 0;
  for (let index = 0; index < count; index++) {
    const state = encoded(index);
    if (length + state.length > bytes.length) {
      const larger = new Uint8Array(Math.max(bytes.length * 2, length + state.length));
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    copyTo(bytes, length, state, state.length);
    length += state.length;
    ends[index] = length;
  }
  return { bytes: bytes.slice(0, length), ends };
}

/** A state of a run: a view. */
export function stateOf({ bytes, ends }: EncodedRun, index: number): Uint8Array {
  return bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
}
