// The real one: the global is trapped itself.
import process from 'node:process';
import { impureGlobals, impurity } from './impurity.ts';
import type { Install } from './install.ts';

/** Traps globals that are impure whatever is asked of them, and the environment. */
export function trapGlobals({ replace, trapped, notice }: Install): void {
  for (const [name, kind] of impureGlobals) {
    // These are trapped by what is asked of them; a trap of `eval` would make it another function.
    if (name === 'process' || name === 'performance' || name === 'eval') continue;
    const found = Object.getOwnPropertyDescriptor(globalThis, name);
    if (found === undefined) continue;
    if (kind === 'environment') replace(globalThis, name, noticedObject(name, found, notice));
    else trapped(globalThis, name, impurity(kind, `${name}()`));
  }
  const env = new Proxy(process.env, environmentTraps(notice));
  replace(process, 'env', env);
  const real = process;
  replace(
    globalThis,
    'process',
    new Proxy(real, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        // Its functions are trapped one by one; `env` says which variable.
        if (typeof name === 'string' && typeof value !== 'function' && name !== 'env')
          notice(impurity('environment', `process.${name}`));
        return value;
      },
    }),
  );
}

/** An object of the browser's kind, made only when something of it is asked: some warn when they are. */
function noticedObject(label: string, found: PropertyDescriptor, notice: Install['notice']): object {
  return new Proxy(
    {},
    {
      get(_, name) {
        notice(impurity('environment', `${label}.${String(name)}`));
        const real = (found.get === undefined ? found.value : found.get.call(globalThis)) as object | undefined;
        return real === undefined ? undefined : (Reflect.get(real, name) as unknown);
      },
    },
  );
}

function environmentTraps(notice: Install['notice']): ProxyHandler<NodeJS.ProcessEnv> {
  const named = (name: string | symbol): void => notice(impurity('environment', `process.env.${String(name)}`));
  return {
    get(target, name) {
      named(name);
      return Reflect.get(target, name);
    },
    has(target, name) {
      named(name);
      return Reflect.has(target, name);
    },
    set(target, name, value) {
      named(name);
      return Reflect.set(target, name, value);
    },
    deleteProperty(target, name) {
      named(name);
      return Reflect.deleteProperty(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      named(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      notice(impurity('environment', 'process.env'));
      return Reflect.ownKeys(target);
    },
  };
}

/** The text of a function carries its formatting, which no fingerprint knows. */
export function trapFunctionText({ replace, notice }: Install): void {
  const original = Object.getOwnPropertyDescriptor(Function.prototype, 'toString')?.value as () => string;
  replace(Function.prototype, 'toString', function toString(this: unknown): string {
    const text = Reflect.apply(original, this, []);
    if (!/\{\s*\[native code\]\s*\}$/.test(text)) notice(impurity('text', 'the text of a function'));
    return text;
  });
}
