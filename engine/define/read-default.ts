import { type JsonValue, jsonValue } from '../values/json-values.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Feature } from './feature.ts';

/** Judges what `.default` was given, by the type of the feature's result. As the layout has it; undefined where there is none. */
export function readDefault(
  { fill }: Feature,
  result: ScalarType,
  path: string,
  report: ReportFault,
): NonNullable<JsonValue> | undefined {
  if (fill === null) return undefined;
  const { convert, expected, received, advice } = rowValueReading(result);
  const value = convert(fill.value);
  if (value === undefined || value === null) {
    const why = advice(fill.value);
    report(
      'wrong-default',
      `${path}.default`,
      `expected ${expected}, received ${received(fill.value)}${why === '' ? '' : `: ${why}`}`,
      'Give a value of the type that the feature has, as TypeScript has it; without .default it is null.',
    );
    return undefined;
  }
  return jsonValue(result, value as ScalarValue) ?? undefined;
}
