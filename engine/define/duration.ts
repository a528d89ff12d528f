const MICROS_PER_UNIT = {
  ms: 1000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
  w: 604_800_000_000,
} as const;

/** A length of time: a whole number and a unit, e.g. `'90s'`, `'7d'`. A day is 24 hours, a week 7 days. */
export type Duration = `${number}${keyof typeof MICROS_PER_UNIT}`;

/** Microseconds of a duration, or undefined where it is none: a whole positive number and one of ms, s, m, h, d, w. */
export function durationMicros(text: unknown): number | undefined {
  const match = typeof text === 'string' ? /^(\d{1,12})(ms|s|m|h|d|w)$/.exec(text) : null;
  if (match === null) return undefined;
  const micros = Number(match[1]) * MICROS_PER_UNIT[match[2] as keyof typeof MICROS_PER_UNIT];
  return micros > 0 && Number.isSafeInteger(micros) ? micros : undefined;
}

/** The hop a window gets when none is named (design §5): about a hundredth of it, in units people know. */
export function defaultHopMicros(windowUs: number): number {
  if (windowUs <= MICROS_PER_UNIT.h) return MICROS_PER_UNIT.m;
  if (windowUs <= 12 * MICROS_PER_UNIT.h) return 5 * MICROS_PER_UNIT.m;
  if (windowUs <= 12 * MICROS_PER_UNIT.d) return MICROS_PER_UNIT.h;
  return MICROS_PER_UNIT.d;
}

/** What a feature covers, as it is shown: `7d`, `7d, 7d ago`, `lifetime`. */
export function windowText(windowUs: number | null, agoUs: number | undefined): string {
  if (windowUs === null) return 'lifetime';
  return agoUs === undefined || agoUs === 0
    ? formatDuration(windowUs)
    : `${formatDuration(windowUs)}, ${formatDuration(agoUs)} ago`;
}

/** The shortest text of a duration: `7d`, `90s`. Weeks are printed as days. */
export function formatDuration(micros: number): string {
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    if (micros % MICROS_PER_UNIT[unit] === 0) return `${micros / MICROS_PER_UNIT[unit]}${unit}`;
  }
  return `${micros}us`;
}
