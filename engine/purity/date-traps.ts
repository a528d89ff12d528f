import { impurity, localDateMethods } from './impurity.ts';
import type { Install } from './install.ts';

/**
 * Traps in `Date`: the clock and local time. What is noticed goes on as it would, with a clock that is off by `shiftMs`.
 */
export function trapDate({ replace, trapped, notice, unnoticed }: Install, shiftMs: number): void {
  for (const name of localDateMethods)
    trapped(Date.prototype, name, impurity('local-time', `Date.prototype.${name}()`));
  const original = Date;
  const realNow = Date.now.bind(Date);
  const now = (): number => realNow() + shiftMs;
  const toldNow = (): number => {
    notice(impurity('clock', 'Date.now()'));
    return now();
  };
  const parse = (text: string): number => {
    if (!isZoned(text)) notice(impurity('local-time', 'Date.parse() of a local time'));
    return original.parse(text);
  };
  replace(Date, 'now', toldNow);
  replace(
    globalThis,
    'Date',
    new Proxy(original, {
      apply: () => {
        notice(impurity('clock', 'Date()'));
        return unnoticed(() => new original(now()).toString());
      },
      get: (target, name, receiver) =>
        name === 'parse' ? parse : name === 'now' ? toldNow : (Reflect.get(target, name, receiver) as unknown),
      construct: (target, args, newTarget) => {
        if (args.length === 0) notice(impurity('clock', 'new Date()'));
        if (args.length > 1) notice(impurity('local-time', 'new Date(year, month, ...), which is local time,'));
        if (!isZoned(args[0])) notice(impurity('local-time', 'new Date() of a local time'));
        return Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object;
      },
    }),
  );
}

/** Whether a text names its zone, or is a date alone in the form that counts as UTC. */
function isZoned(text: unknown): boolean {
  if (typeof text !== 'string') return true;
  const trimmed = text.trim();
  return (
    /^[+-]?\d{4,6}(?:-\d\d(?:-\d\d)?)?$/.test(trimmed) ||
    /(?:Z|\b(?:GMT|UTC?))\s*(?:[+-]\d\d:?\d\d)?\s*(?:\([^)]*\))?$/i.test(trimmed) ||
    /\d:\d\d(?::\d\d(?:[.,]\d+)?)?\s*(?:[AP]M)?\s*[+-]\d\d:?\d\d$/i.test(trimmed)
  );
}
