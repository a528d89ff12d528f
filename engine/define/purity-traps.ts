import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import dns from 'node:dns';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import os from 'node:os';

/** Thrown by a trap; a row function that catches it is still told on, by `Traps.touched`. */
class ImpureCall extends Error {}

/** What happened under the traps: the names of what was touched, in order; emptied by `take`. */
export interface Traps {
  take(): string[];
}

type Slot = readonly [holder: object, name: string, label: string];

/** Functions whose result is not decided by their arguments, or that reach outside. */
function trappedFunctions(): Slot[] {
  const members = (holder: object, label: string, names: string): Slot[] =>
    names.split(' ').map((name) => [holder, name, `${label}${name}`]);
  return [
    ...members(Math, 'Math.', 'random'),
    ...members(performance, 'performance.', 'now'),
    ...members(globalThis.crypto, 'crypto.', 'randomUUID getRandomValues'),
    ...members(
      crypto,
      'crypto.',
      'randomBytes randomUUID randomInt randomFillSync getRandomValues generateKeyPairSync',
    ),
    ...members(process, 'process.', 'hrtime uptime cwd cpuUsage memoryUsage nextTick'),
    ...members(globalThis, '', 'fetch setTimeout setInterval setImmediate queueMicrotask'),
    ...members(
      fs,
      'fs.',
      'readFileSync writeFileSync appendFileSync existsSync statSync readdirSync openSync readFile writeFile stat',
    ),
    ...members(childProcess, 'child_process.', 'execSync execFileSync spawnSync exec execFile spawn'),
    ...members(http, 'http.', 'request get'),
    ...members(https, 'https.', 'request get'),
    ...members(net, 'net.', 'connect createConnection'),
    ...members(dns, 'dns.', 'lookup resolve'),
    ...members(os, 'os.', 'hostname cpus freemem uptime loadavg userInfo homedir tmpdir'),
    ...members(
      Date.prototype,
      'Date.prototype.',
      'getFullYear getMonth getDate getDay getHours getMinutes getSeconds getTimezoneOffset ' +
        'setFullYear setMonth setDate setHours setMinutes toString toDateString toTimeString getYear',
    ),
  ];
}

/** Runs `probe` with every source of impurity trapped, and takes the traps away again whatever happens. Synchronous throughout. */
export function underTraps<T>(probe: (traps: Traps) => T): T {
  const touched: string[] = [];
  const touch = (label: string): never => {
    touched.push(label);
    throw new ImpureCall(`${label} is not allowed in a row function`);
  };
  const restores: (() => void)[] = [];
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
  try {
    for (const [holder, name, label] of trappedFunctions())
      if (name in holder) replace(holder, name, () => touch(`${label}()`));
    for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'] as const) {
      const original = Date.prototype[name];
      replace(
        Date.prototype,
        name,
        function trapped(this: Date, locale?: string, options?: Intl.DateTimeFormatOptions): string {
          if (options?.timeZone === undefined) touch(`Date.prototype.${name}() without a time zone`);
          return original.call(this, locale, options);
        },
      );
    }
    replace(process, 'env', new Proxy({}, environmentTraps(touch)));
    replace(Date, 'now', () => touch('Date.now()'));
    replace(globalThis, 'Date', trappedDate(touch));
    syncBuiltinESMExports();
    return probe({ take: () => touched.splice(0) });
  } finally {
    for (const restore of restores.toReversed()) restore();
    syncBuiltinESMExports();
  }
}

function environmentTraps(touch: (label: string) => never): ProxyHandler<object> {
  const named = (_: object, name: string | symbol): never => touch(`process.env.${String(name)}`);
  return {
    get: named,
    has: named,
    set: named,
    deleteProperty: named,
    getOwnPropertyDescriptor: named,
    ownKeys: () => touch('process.env'),
  };
}

/** Date without the clock and without local time: only a number, another Date, or a text that names its zone makes one. */
function trappedDate(touch: (label: string) => never): DateConstructor {
  const zoned = (text: unknown): boolean =>
    typeof text !== 'string' ||
    /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)$/i.test(text.trim()) ||
    /^[+-]?\d{4,6}(?:-\d\d(?:-\d\d)?)?$/.test(text);
  const original = Date;
  const parse = (text: string): number => (zoned(text) ? original.parse(text) : touch('Date.parse() of a local time'));
  return new Proxy(original, {
    apply: () => touch('Date()'),
    get: (target, name, receiver) => (name === 'parse' ? parse : Reflect.get(target, name, receiver)),
    construct: (target, args, newTarget) => {
      if (args.length === 0) touch('new Date()');
      if (args.length > 1) touch('new Date(year, month, ...), which is local time,');
      if (!zoned(args[0])) touch('new Date() of a local time');
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
}
