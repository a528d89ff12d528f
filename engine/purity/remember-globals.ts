/** What all code of a process shares and any of it can change. */
export interface SharedGlobals {
  /** Whether a global came or went, or the language's own objects or their prototypes are not as they were. */
  changed(): boolean;
}

/**
 * Notes what all code shares, to tell later whether it was changed. Values of Node's own globals are not compared: many are made when they
 * are first asked for.
 */
export function rememberGlobals(): SharedGlobals {
  const before = snapshot();
  return {
    changed() {
      const after = snapshot();
      if (after.length !== before.length) return true;
      return after.some((part, index) => !Object.is(part, before[index]));
    },
  };
}

/** Objects, keys and values of the language's own globals, and the keys of all others, in one list. */
function snapshot(): unknown[] {
  const parts: unknown[] = [];
  const holders = new Set<object>();
  for (const name of languageGlobals) {
    const value: unknown = Reflect.get(globalThis, name);
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    holders.add(value);
    const prototype: unknown = Reflect.get(value, 'prototype');
    if (typeof prototype === 'object' && prototype !== null) holders.add(prototype);
  }
  for (const holder of holders) {
    for (const key of Reflect.ownKeys(holder)) {
      const { value, get, set } = Reflect.getOwnPropertyDescriptor(holder, key) ?? {};
      parts.push(holder, key, value, get, set);
    }
  }
  return [...parts, ...Reflect.ownKeys(globalThis)];
}

const languageGlobals =
  'Object Function Array Number Boolean String Symbol Date Promise RegExp Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError JSON Math Intl ArrayBuffer Atomics DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray Float32Array Float64Array Buffer'.split(
    ' ',
  );
