import { describeReceived } from '../values/describe-received.ts';
import type { ReportFault } from './definition-fault.ts';
import type { Feature } from './feature.ts';

/** How the values of `quantiles` and `median` are counted, and of `quantiles` which are read. */
export interface QuantilesPlan {
  readonly octaveBits: number;
  readonly quantiles: readonly number[] | undefined;
}

const DEFAULT_ACCURACY = 0.01;
/** Below, a tile's buckets may take more than 100 KB. */
const LEAST_ACCURACY = 0.001;
/** One bucket an octave. */
const MOST_ACCURACY = 0.5;

/** Judges what `quantiles` or `median` was given beside its input; null where it is faulty. */
export function readQuantiles(feature: Feature, path: string, report: ReportFault): QuantilesPlan | null {
  const octaveBits = octaveBitsOf(feature.accuracy, path, report);
  const quantiles = feature.aggregate === 'median' ? undefined : quantileList(feature.quantiles, path, report);
  return octaveBits === null || quantiles === null ? null : { octaveBits, quantiles };
}

/**
 * The fewest buckets of an octave, 2^bits, of which the middle is within the accuracy of every value: half the width of one, 2^-(bits + 1),
 * is what its value may be off.
 */
function octaveBitsOf(given: unknown, path: string, report: ReportFault): number | null {
  const accuracy = given ?? DEFAULT_ACCURACY;
  if (typeof accuracy !== 'number' || !(accuracy >= LEAST_ACCURACY && accuracy <= MOST_ACCURACY)) {
    report(
      'wrong-aggregate-option',
      `${path}.accuracy`,
      `expected a number from ${LEAST_ACCURACY} to ${MOST_ACCURACY}, received ${describeReceived(accuracy)}`,
      'It is how far an answer may be off, relative to the exact one: { accuracy: 0.01 } is one per cent.',
    );
    return null;
  }
  let bits = 0;
  while (2 ** -(bits + 1) > accuracy) bits++;
  return bits;
}

function quantileList(given: unknown, path: string, report: ReportFault): readonly number[] | null {
  const fault = (what: string): null => {
    report(
      'wrong-aggregate-option',
      `${path}.quantiles`,
      what,
      "Name numbers from 0 to 1, each once: f.quantiles('field', [0.5, 0.99]).",
    );
    return null;
  };
  if (!Array.isArray(given))
    return fault(`expected a list of numbers from 0 to 1, received ${describeReceived(given)}`);
  if (given.length === 0) return fault('the list of quantiles is empty');
  const wrong = given.find((q) => typeof q !== 'number' || !(q >= 0 && q <= 1));
  if (wrong !== undefined || given.includes(undefined))
    return fault(`expected numbers from 0 to 1, received ${describeReceived(wrong)}`);
  const list = (given as readonly number[]).map((q) => q + 0);
  const repeated = list.find((q, at) => list.indexOf(q) !== at);
  return repeated === undefined ? list : fault(`${repeated} is asked for twice`);
}
