import { impurity, localeMethods } from './impurity.ts';
import type { Install } from './install.ts';

const formatters = [
  'NumberFormat',
  'Collator',
  'PluralRules',
  'RelativeTimeFormat',
  'ListFormat',
  'Segmenter',
  'DurationFormat',
];

/** Traps for what takes the machine's locale or time zone where it is given none. */
export function trapLocale({ replace, notice }: Install): void {
  for (const [name, needed] of localeMethods) {
    for (const holder of [Date.prototype, Number.prototype, BigInt.prototype, String.prototype]) {
      const original = Object.getOwnPropertyDescriptor(holder, name)?.value as
        | ((...given: unknown[]) => unknown)
        | undefined;
      if (original === undefined) continue;
      // Of localeCompare, the first argument is the other text.
      const at = name === 'localeCompare' ? needed - 1 : 0;
      const label = `${holder.constructor.name}.prototype.${name}()`;
      replace(holder, name, function trappedMethod(this: unknown, ...given: unknown[]): unknown {
        if (!namesLocale(given[at])) notice(impurity('locale', `${label} without a locale`));
        else if (holder === Date.prototype && !namesZone(given[1]))
          notice(impurity('locale', `${label} without a time zone`));
        return Reflect.apply(original, this, given);
      });
    }
  }
  for (const name of ['DateTimeFormat', ...formatters]) {
    const original = Object.getOwnPropertyDescriptor(Intl, name)?.value as
      | (new (
          ...given: unknown[]
        ) => object)
      | undefined;
    if (original === undefined) continue;
    const check = (given: readonly unknown[]): void => {
      if (!namesLocale(given[0])) notice(impurity('locale', `Intl.${name}() without a locale`));
      else if (name === 'DateTimeFormat' && !namesZone(given[1]))
        notice(impurity('locale', `Intl.${name}() without a time zone`));
    };
    replace(
      Intl,
      name,
      new Proxy(original, {
        apply(target, self, given) {
          check(given);
          return Reflect.apply(target, self, given) as unknown;
        },
        construct(target, given, newTarget) {
          check(given);
          return Reflect.construct(target, given, newTarget) as object;
        },
      }),
    );
  }
}

/** False where the machine's own locale is what remains: none named, or none that is known. */
function namesLocale(locales: unknown): boolean {
  if (locales === undefined) return false;
  try {
    return supported(locales as string[]).length > 0;
  } catch {
    // No locale at all: the call will say so itself.
    return true;
  }
}

const supported = Intl.Collator.supportedLocalesOf.bind(Intl.Collator);

function namesZone(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'timeZone' in options && options.timeZone !== undefined;
}
