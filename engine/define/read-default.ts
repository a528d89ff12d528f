import { carriedValue, jsonTree } from '../values/composite-text.ts';
import type { Reading } from '../values/convert.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { JsonTree } from '../values/json-values.ts';
import { isScalarType, type ListType, type MapType, type ResultType } from '../values/result-type.ts';
import { rowValueReading } from '../values/row-value-conversions.ts';
import { nameOfType } from '../values/type-name.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Feature } from './feature.ts';

/** Judges what `.default` was given, by the type of the feature's result. As the layout has it; undefined where there is none. */
export function readDefault(
  { fill }: Feature,
  result: ResultType,
  path: string,
  report: ReportFault,
): NonNullable<JsonTree> | undefined {
  if (fill === null) return undefined;
  const carried = carriedValue(result)(fill.value);
  if (carried === undefined || carried === null) {
    const { expected, received, advice } = isScalarType(result) ? rowValueReading(result) : compositeWords(result);
    const why = advice(fill.value);
    report(
      'wrong-default',
      `${path}.default`,
      `expected ${expected}, received ${received(fill.value)}${why === '' ? '' : `: ${why}`}`,
      'Give a value of the type that the feature has, as TypeScript has it; without .default it is null.',
    );
    return undefined;
  }
  return jsonTree(result, carried) ?? undefined;
}

function compositeWords(type: ListType | MapType): Omit<Reading, 'convert'> {
  const form = type.kind === 'list' ? 'an array' : 'an object';
  return { expected: `${form}: ${nameOfType(type)}`, received: describeReceived, advice: () => '' };
}
