import type { EpochUnit } from './spelling.ts';

const PER_SECOND: Readonly<Record<EpochUnit, number>> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };
const UNITS = ['s', 'ms', 'us', 'ns'] as const;
/** 1990 and 2100, in seconds: where a time is believed to be one in its unit. The spans of two units never meet. */
const FROM_S = 631_152_000;
const UNTIL_S = 4_102_444_800;

/** The unit in which an epoch number lies in [1990, 2100); null where there is none. */
export function likelyUnit(value: number | bigint): EpochUnit | null {
  const number = Number(value);
  return UNITS.find((unit) => number >= FROM_S * PER_SECOND[unit] && number < UNTIL_S * PER_SECOND[unit]) ?? null;
}

/**
 * From a whole number in a unit to epoch µs; undefined where it lies in [1990, 2100) in another unit alone, is finer than a microsecond
 * (unless `truncate`: towards the past), or beyond the safe integers.
 *
 * @example
 * epochMicros('ms', false)(1_700_000_000_000); // 1700000000000000
 */
export function epochMicros(unit: EpochUnit, truncate: boolean): (value: number | bigint) => number | undefined {
  const from = FROM_S * PER_SECOND[unit];
  const until = UNTIL_S * PER_SECOND[unit];
  const factor = unit === 'ns' ? 0 : 1e6 / PER_SECOND[unit];
  return (value) => {
    const number = Number(value);
    if ((number < from || number >= until) && likelyUnit(value) !== null) return undefined;
    const micros = unit === 'ns' ? microsOfNanos(BigInt(value), truncate) : number * factor;
    return Number.isSafeInteger(micros) ? micros + 0 : undefined;
  };
}

/** Nanoseconds to µs; NaN where finer digits are neither zero nor cut. */
export function microsOfNanos(nanos: bigint, truncate: boolean): number {
  const rest = nanos % 1000n;
  if (rest === 0n) return Number(nanos / 1000n);
  if (!truncate) return Number.NaN;
  return Number(nanos / 1000n - (rest < 0n ? 1n : 0n));
}
