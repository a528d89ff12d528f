import { wilson } from '../statistics/wilson.ts';
import type { Label } from './label-kind.ts';
import type { RowValues } from './row-columns.ts';
import type { Absence } from './try-report.ts';

/** What of a binary label it tells that there is no value; null where there is one in all rows or none, and of other labels. */
export function absenceOf(values: RowValues, label: Label): Absence | null {
  if (label.kind !== 'binary') return null;
  const numbers = values.kind === 'collection' ? values.sizes : values.kind === 'number' ? values.values : values.codes;
  const counts = { without: { hits: 0, of: 0 }, with: { hits: 0, of: 0 } };
  for (const [place, code] of label.codes.entries()) {
    if (code < 0) continue;
    const hasValue = values.kind === 'category' ? values.codes[place]! >= 0 : !Number.isNaN(numbers[place]!);
    const side = hasValue ? counts.with : counts.without;
    side.hits += code;
    side.of++;
  }
  if (counts.without.of === 0 || counts.with.of === 0) return null;
  const [without, there] = [wilson(counts.without.hits, counts.without.of), wilson(counts.with.hits, counts.with.of)];
  return { ...counts, isTold: without.low > there.high || there.low > without.high };
}
