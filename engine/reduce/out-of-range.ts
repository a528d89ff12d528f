import type { FeatureLayout } from '../define/view-layout.ts';
import { MillraceError } from '../errors/millrace-error.ts';

/** The error for a result that does not fit its type: never a wrap, never a silent rounding. */
export function valueOutOfRange(view: string, feature: FeatureLayout, exactValue: string): MillraceError {
  const { name, aggregate, result } = feature;
  const type = result.kind === 'decimal' ? `decimal(${result.precision},${result.scale})` : result.kind;
  return new MillraceError(
    'value-out-of-range',
    `feature "${name}" of view "${view}": its ${aggregate} does not fit ${type}; the exact value is ${exactValue}`,
    {
      remedy:
        'Give the feature a shorter window, or aggregate a smaller unit or a wider type (int64, decimal, double).',
      httpStatus: 422,
      details: { view, feature: name, result: type, exactValue },
    },
  );
}
