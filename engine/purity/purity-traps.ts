import { syncBuiltinESMExports } from 'node:module';
// The real one: the global is trapped itself.
import process from 'node:process';
import { trapDate } from './date-traps.ts';
import { trapFunctionText, trapGlobals } from './global-traps.ts';
import { type Impurity, impurity } from './impurity.ts';
import type { Install } from './install.ts';
import { trapLocale } from './locale-traps.ts';
import { isLoaded, moduleFunctions, trappedFunctions, trappedModules } from './trapped-functions.ts';

/** Thrown by a trap; a function that catches it is still told on, by `Traps.take`. */
class ImpureCall extends Error {}

/** What happened under the traps, in order; emptied by `take`. */
export interface Traps {
  take(): Impurity[];
}

export interface TrapOptions {
  /** How far the clock is off for those whose look at it is noticed, ms. Default 0. */
  readonly clockShiftMs?: number | undefined;
}

/** Traps that are set. */
export interface SetTraps {
  /** Sets those of a module of Node that is loaded only now, by its name. */
  trapModule(name: string): void;
  /** Takes all away. */
  remove(): void;
}

/** Runs `probe` with every impure use thrown out of it, and takes the traps away again whatever happens. Synchronous throughout. */
export function underTraps<T>(probe: (traps: Traps) => T): T {
  const touched: Impurity[] = [];
  const traps = installTraps((what) => {
    touched.push(what);
    throw new ImpureCall(`${what.label} is not allowed in a definition`);
  });
  try {
    return probe({ take: () => touched.splice(0) });
  } finally {
    traps.remove();
  }
}

/**
 * Traps, in the whole process, what is not decided by code and arguments: the clock, randomness, environment, files, network, timers,
 * local time, the machine's locale, the text of functions. `onUse` hears of a use before it happens; unless it throws, the use goes on.
 */
export function installTraps(onUse: (what: Impurity) => void, options: TrapOptions = {}): SetTraps {
  const restores: (() => void)[] = [];
  let inside = false;
  // Who took a trap along keeps it: from then on it only does what it stands for.
  let set = true;
  const notice = (what: Impurity): void => {
    if (set && !inside) onUse(what);
  };
  const unnoticed = <T>(use: () => T): T => {
    const before = inside;
    inside = true;
    try {
      return use();
    } finally {
      inside = before;
    }
  };
  const replace = (holder: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(holder, name);
    if (before !== undefined && !before.configurable && !before.writable) return;
    const enumerable = before?.enumerable ?? false;
    Object.defineProperty(holder, name, { value, configurable: true, writable: true, enumerable });
    restores.push(() => {
      if (before === undefined) Reflect.deleteProperty(holder, name);
      else Object.defineProperty(holder, name, before);
    });
  };
  const trapped = (holder: object, name: string, what: Impurity): void => {
    const original = (holder as Readonly<Record<string, unknown>>)[name];
    if (typeof original !== 'function') return;
    replace(
      holder,
      name,
      new Proxy(original, {
        apply(target, self, given) {
          notice(what);
          return unnoticed(() => Reflect.apply(target, self, given) as unknown);
        },
        construct(target, given, newTarget) {
          notice(what);
          return unnoticed(() => Reflect.construct(target, given, newTarget) as object);
        },
      }),
    );
  };
  const trapModule = (name: string): void => {
    const module = name.replace(/^node:/, '');
    if (!trappedModules.has(module)) return;
    const holder = process.getBuiltinModule(module) as object;
    for (const [name, kind] of moduleFunctions(module, holder)) {
      trapped(holder, name, impurity(kind, `${module.replace('/', '.')}.${name}()`));
    }
  };
  const remove = (): void => {
    set = false;
    for (const restore of restores.toReversed()) restore();
    syncBuiltinESMExports();
  };
  const install: Install = { replace, trapped, notice, unnoticed };
  try {
    for (const [holder, name, kind, label] of trappedFunctions()) trapped(holder, name, impurity(kind, label));
    trapDate(install, options.clockShiftMs ?? 0);
    trapLocale(install);
    trapFunctionText(install);
    trapGlobals(install);
    for (const module of trappedModules) if (isLoaded(module)) trapModule(module);
    syncBuiltinESMExports();
  } catch (error) {
    remove();
    throw error;
  }
  return {
    trapModule(name) {
      trapModule(name);
      syncBuiltinESMExports();
    },
    remove,
  };
}
