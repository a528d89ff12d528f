import { z } from 'zod';
import { MillraceError } from '../errors/millrace-error.ts';
import { UNIT_NAMES } from '../values/expected-words.ts';
import type { EpochUnit } from '../values/spelling.ts';

/** What `epoch(unit)` adds to the definition of a zod number; clones made by zod keep it. */
export interface EpochDef extends z.core.$ZodNumberFormatDef<'safeint'> {
  readonly epoch: EpochUnit;
}

/** The zod schema `epoch(unit)` gives: a whole number or digits in JSON and columns, `Micros` in a row. */
export interface ZodEpoch extends z.ZodInt {
  _zod: z.core.$ZodNumberFormatInternals<'safeint'> & { def: EpochDef };
}

/**
 * A contract field with a time as a count of seconds, milliseconds, microseconds or nanoseconds since 1970, UTC: a whole number, or its
 * digits as text (which nanoseconds need in JSON, where numbers end at 2^53). In rows it is `Micros`, as every datetime. A number outside the
 * years 1990 to 2099 that would lie inside them in another unit is invalid: it "looks like seconds".
 *
 * @throws MillraceError `invalid-epoch` for another unit.
 * @example
 * const click = z.object({ ts: epoch('ms') }); // {"ts": 1700000000000}
 */
export function epoch(unit: EpochUnit): ZodEpoch {
  if (!Object.hasOwn(UNIT_NAMES, unit)) {
    throw new MillraceError('invalid-epoch', `epoch(${JSON.stringify(unit)}): expected 's', 'ms', 'us' or 'ns'`, {
      remedy: "Give the unit the producer counts in: epoch('ms').",
    });
  }
  const base = z.int();
  return base.clone({ ...base._zod.def, epoch: unit } as EpochDef) as ZodEpoch;
}
