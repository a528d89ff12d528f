import { describeReceived } from '../values/describe-received.ts';
import type { ReportFault } from './definition-fault.ts';

const DEFAULT_ERROR = 0.02;
/** Below, a tile's hashes may take more than 350 KB. */
const LEAST_ERROR = 0.005;
const MOST_ERROR = 0.1;

/**
 * How many of the least hashes `approxDistinct` keeps for a standard error; null where that is faulty. With k of them it is 1/√(k − 2) at most:
 * a fourth more than the error asks for, so that what is measured stays below it.
 *
 * @example
 * readStandardError(0.02, 'features.cities', report); // 3127
 */
export function readStandardError(given: unknown, path: string, report: ReportFault): number | null {
  const error = given ?? DEFAULT_ERROR;
  if (typeof error === 'number' && error >= LEAST_ERROR && error <= MOST_ERROR) return Math.ceil(1.25 / error ** 2) + 2;
  report(
    'wrong-aggregate-option',
    `${path}.error`,
    `expected a number from ${LEAST_ERROR} to ${MOST_ERROR}, received ${describeReceived(error)}`,
    'It is the standard error of the count, relative to it: { error: 0.02 } is two per cent.',
  );
  return null;
}
