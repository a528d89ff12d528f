// The real one: the global may be trapped.
import process from 'node:process';
import { type ImpurityKind, impureModules, randomFunctions } from './impurity.ts';

/** Modules of Node whose functions are trapped one by one. Those left out have classes only, or what Millrace itself needs. */
export const trappedModules: ReadonlySet<string> = new Set(
  'crypto fs fs/promises sqlite net http https http2 tls dgram dns dns/promises os child_process vm timers timers/promises'.split(
    ' ',
  ),
);

/** Nobody can call a module that was never loaded, and loading all of them takes longer than a small plan. */
export function isLoaded(module: string): boolean {
  const loaded = Reflect.get(process, 'moduleLoadList') as readonly string[] | undefined;
  return loaded === undefined || loaded.includes(`NativeModule ${module}`);
}

/** The functions of a module that are impure, and how. */
export function moduleFunctions(module: string, holder: object): (readonly [name: string, kind: ImpurityKind])[] {
  const kind = impureModules.get(module);
  return Object.entries(Object.getOwnPropertyDescriptors(holder)).flatMap(([name, { value }]) => {
    if (typeof value !== 'function') return [];
    if (kind === undefined) return randomFunctions.has(name) ? [[name, 'random'] as const] : [];
    return /^[a-z]/.test(name) || module === 'sqlite' ? [[name, kind] as const] : [];
  });
}

type Slot = readonly [holder: object, name: string, kind: ImpurityKind, label: string];

/** Functions of the language and of globals whose result is not decided by their arguments. */
export function trappedFunctions(): Slot[] {
  const members = (holder: object, kind: ImpurityKind, label: string, names: Iterable<string>): Slot[] =>
    [...names].map((name) => [holder, name, kind, `${label}${name}()`]);
  const temporal = (Reflect.get(globalThis, 'Temporal') as { readonly Now: object } | undefined)?.Now ?? {};
  return [
    ...members(Math, 'random', 'Math.', ['random']),
    ...members(performance, 'clock', 'performance.', ['now', 'mark', 'measure', 'toJSON', 'eventLoopUtilization']),
    ...members(temporal, 'clock', 'Temporal.Now.', Object.getOwnPropertyNames(temporal)),
    ...members(globalThis.crypto, 'random', 'crypto.', ['randomUUID', 'getRandomValues']),
    ...members(Reflect.get(process, 'hrtime') as object, 'clock', 'process.hrtime.', ['bigint']),
    ...members(process, 'clock', 'process.', ['hrtime', 'uptime', 'cpuUsage']),
    ...members(
      process,
      'environment',
      'process.',
      'cwd chdir memoryUsage resourceUsage constrainedMemory availableMemory getuid geteuid getgid umask loadEnvFile'.split(
        ' ',
      ),
    ),
    ...members(process, 'later', 'process.', ['nextTick']),
  ];
}
