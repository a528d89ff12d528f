/** Something a definition may not use, since what it gives is not decided by its code and its row. */
export interface Impurity {
  /** As messages name it: `Math.random()`. */
  readonly label: string;
  /** What to do instead. */
  readonly remedy: string;
}

const remedies = {
  clock: 'Use a time of the row; how far back a feature looks is its window.',
  random: 'Derive it from the row, e.g. by a hash of its id.',
  environment:
    "Write the value into the definition, or import it: import settings from './settings.json' with { type: 'json' }.",
  files:
    "Import what is read: import codes from './codes.json' with { type: 'json' }, which is part of the definition.",
  network: 'Make what it gives a field of the source.',
  later: 'Compute it in one go: a definition waits for nothing.',
  memory: 'Keep no state: when it is given up is not decided by the code.',
  'local-time':
    'Use the UTC methods and texts that name their zone: getUTCHours(), Date.UTC(2020, 0, 1), "2020-01-01T00:00Z".',
  locale: "Name the locale, and for times the zone: toLocaleString('en', { timeZone: 'UTC' }).",
  place: 'Import by a relative path: where the files lie may change no value.',
  hidden: 'Write the code out: what it uses is not seen in a text.',
  text: 'Do not look at the text of functions: formatting may change no value.',
} as const;

export type ImpurityKind = keyof typeof remedies;

/** @example impurity('random', 'Math.random()').remedy */
export function impurity(kind: ImpurityKind, label: string): Impurity {
  if (kind !== 'local-time') return { label, remedy: remedies[kind] };
  const method = /\.([gs]et)(\w+)\(\)$/.exec(label);
  const utc = method !== null && method[2] !== 'TimezoneOffset' && method[2] !== 'Year';
  return { label, remedy: utc ? `Use ${method[1]}UTC${method[2]}().` : remedies[kind] };
}

const words = (text: string): readonly string[] => text.split(' ');

/** Globals of which every use is impure. */
export const impureGlobals: ReadonlyMap<string, ImpurityKind> = new Map([
  ...words('fetch WebSocket EventSource XMLHttpRequest BroadcastChannel').map((name) => [name, 'network'] as const),
  ...words('setTimeout setInterval setImmediate queueMicrotask').map((name) => [name, 'later'] as const),
  ...words('WeakRef FinalizationRegistry').map((name) => [name, 'memory'] as const),
  ...words('process navigator localStorage sessionStorage').map((name) => [name, 'environment'] as const),
  ['performance', 'clock'],
  ['eval', 'hidden'],
]);

/** Modules of Node of which every use is impure, without `node:`. */
export const impureModules: ReadonlyMap<string, ImpurityKind> = new Map([
  ...words('fs fs/promises sqlite').map((name) => [name, 'files'] as const),
  ...words('net http https http2 tls dgram dns dns/promises').map((name) => [name, 'network'] as const),
  ...words(
    'process os child_process worker_threads cluster module v8 vm inspector inspector/promises repl readline readline/promises tty wasi',
  ).map((name) => [name, 'environment'] as const),
  ...words('timers timers/promises').map((name) => [name, 'later'] as const),
  ['perf_hooks', 'clock'],
]);

/** Functions of `node:crypto` whose result their arguments do not decide. */
export const randomFunctions: ReadonlySet<string> = new Set(
  words(
    'randomBytes randomUUID randomUUIDv7 randomInt randomFill randomFillSync getRandomValues generateKey generateKeySync generateKeyPair ' +
      'generateKeyPairSync generatePrime generatePrimeSync createDiffieHellman createECDH webcrypto pseudoRandomBytes prng rng',
  ),
);

/** Methods of `Date` that read or write the machine's local time. */
export const localDateMethods: ReadonlySet<string> = new Set(
  words(
    'getFullYear getMonth getDate getDay getHours getMinutes getSeconds getTimezoneOffset getYear setFullYear setMonth setDate setHours ' +
      'setMinutes setSeconds setMilliseconds setYear toString toDateString toTimeString',
  ),
);

/** Methods that take the machine's locale where they are given none, with how many arguments name one, and a zone for times. */
export const localeMethods: ReadonlyMap<string, number> = new Map([
  ['toLocaleString', 1],
  ['toLocaleUpperCase', 1],
  ['toLocaleLowerCase', 1],
  ['localeCompare', 2],
  ['toLocaleDateString', 2],
  ['toLocaleTimeString', 2],
]);
