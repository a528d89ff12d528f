import type { ScalarType } from './field-type.ts';
import { KEY_SPELLING, type EpochUnit, type Spelling } from './spelling.ts';

/** The unit's name in words. */
export const UNIT_NAMES: Readonly<Record<EpochUnit, string>> = {
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
};

/**
 * What a type's values are, as refusals say it at every door.
 *
 * @example
 * expectedOf({ kind: 'decimal', precision: 10, scale: 2 }); // 'a decimal(10,2)'
 */
export function expectedOf(type: ScalarType, spelling: Spelling = KEY_SPELLING): string {
  switch (type.kind) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'int':
      return 'an integer';
    case 'int64':
      return 'a 64-bit integer';
    case 'decimal':
      return `a decimal(${type.precision},${type.scale})`;
    case 'double':
      return spelling.float32 ? 'a 32-bit number' : 'a number';
    case 'timestamp':
      return spelling.epoch === null ? expectedDateTime(spelling) : expectedEpoch(spelling.epoch, spelling);
    case 'date':
      return 'a date YYYY-MM-DD';
    case 'enum':
      return `one of ${type.values.map((value) => JSON.stringify(value)).join(', ')}`;
  }
}

function expectedDateTime({ offset, local, truncate }: Spelling): string {
  const zones = ['Z', ...(offset ? ['an offset'] : []), ...(local ? ['no zone (UTC)'] : [])];
  const zone = zones.length === 1 ? 'ending in Z' : `with ${zones.slice(0, -1).join(', ')} or ${zones.at(-1)}`;
  return `an ISO datetime ${zone}${precision(truncate)}, from 1684 to 2255`;
}

function expectedEpoch(unit: EpochUnit, { truncate }: Spelling): string {
  return `a time in epoch ${UNIT_NAMES[unit]}, a whole number or its digits${unit === 'ns' ? precision(truncate) : ''}`;
}

function precision(truncate: boolean): string {
  return truncate ? '' : ', no finer than a microsecond';
}
