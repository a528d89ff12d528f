/** Why a function that ran is impure: what it used, as messages name it; null where it used nothing of it. */
export type ImpureUseAtRun = string | null;

let used: ImpureUseAtRun = null;

function refuse(what: string): never {
  used ??= what;
  throw new Error(`${what} is not allowed in a definition`);
}

const noRandom = (): never => refuse('Math.random()');
const noNow = (): never => refuse('Date.now()');
/** What stands in the place of a `Date`, by what it stands for: tests put their own there. */
const guarded = new WeakMap<DateConstructor, DateConstructor>();

function guardedDate(real: DateConstructor): DateConstructor {
  const known = guarded.get(real);
  if (known !== undefined) return known;
  const made = new Proxy(real, {
    apply: () => refuse('Date()'),
    construct: (target, given, newTarget) =>
      given.length === 0 ? refuse('new Date()') : (Reflect.construct(target, given, newTarget) as object),
  });
  guarded.set(real, made);
  return made;
}

/**
 * Runs functions of a definition without clock and chance: each use of `Date` for the present time, or of `Math.random`, throws. Cheap enough for
 * every read, where `underTraps`, which knows much more, is not: it is what `plan` uses. Synchronous throughout.
 *
 * @example
 * withoutClock(() => compute(values, { at }));
 */
export function withoutClock(run: () => void): void {
  const realDate = globalThis.Date;
  const realNow = realDate.now;
  const realRandom = Math.random;
  // Where somebody froze them, nothing is trapped, and nothing breaks.
  Reflect.set(globalThis, 'Date', guardedDate(realDate));
  Reflect.set(realDate, 'now', noNow);
  Reflect.set(Math, 'random', noRandom);
  try {
    run();
  } finally {
    Reflect.set(globalThis, 'Date', realDate);
    Reflect.set(realDate, 'now', realNow);
    Reflect.set(Math, 'random', realRandom);
  }
}

/** What was used of that since this was asked before: a function that catches what a trap throws is told on. */
export function takeImpureUse(): ImpureUseAtRun {
  const found = used;
  used = null;
  return found;
}
