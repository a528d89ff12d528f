import { keyText } from '../define/key-text.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { keyHash } from './hash-range.ts';
import type { LabelColumn, LabelReadings } from './label-columns.ts';

/** The entities that a training set is of, where not of all: what its manifest says of them. */
export interface ManifestSample {
  /** Of the entities, above 0 and below 1. */
  readonly fraction: number;
  /** The columns whose values, together, tell an entity from another. */
  readonly by: readonly string[];
  /** Label rows before it was taken; of rows that are made, entities. */
  readonly ofRows: number;
}

/**
 * Whether an entity is in a sample: a matter of its key alone, so that all of its rows are or none, whatever else is exported, and a smaller sample is
 * part of a larger one.
 *
 * @example
 * isSampled(0.1, ['LAS', 'PHL']); // the same on every machine, each time
 */
export function isSampled(fraction: number, key: readonly ScalarValue[]): boolean {
  return sampleHash(key) < fraction * 2 ** 32;
}

/** The order in which entities come into samples, [0, 2^32). */
export function sampleHash(key: readonly ScalarValue[]): number {
  // Not the hash that an export's passes go by: they would hold next to nothing, or nearly all.
  return keyHash(`sample\0${keyText(key)}`);
}

/** The join keys that a sample of labels goes by: those of all the service's entities that the labels have, each column once. */
export function sampledBy({
  keys,
  request,
  isDecided,
}: Pick<LabelReadings, 'keys' | 'request' | 'isDecided'>): LabelColumn[] {
  // A decision by itself: what it was made of is not known yet.
  if (isDecided === true && request !== null) return [request];
  const columns = new Map<string, LabelColumn>();
  for (const key of keys.flat()) if (key !== null && !columns.has(key.column.name)) columns.set(key.column.name, key);
  return [...columns.values()];
}

/** A share to the billionth, above 0 and below 1. Throws `bad-share`. */
export function checkShare(name: 'sample' | 'split', share: number | undefined): void {
  if (share === undefined) return;
  if (share > 0 && share < 1 && Math.round(share * 1e9) / 1e9 === share) return;
  throw new MillraceError(
    'bad-share',
    `${name} ${String(share)}; expected a number above 0 and below 1, of at most nine decimals`,
    {
      remedy:
        name === 'sample'
          ? 'Give the share of the entities to keep, as 0.1, or leave it out for all of them.'
          : 'Give the share of the rows to train on, as 0.8, or leave it out for one file.',
    },
  );
}
