import type { ReportFault } from './definition-fault.ts';
import type { Feature } from './feature.ts';
import { type QuantilesPlan, readQuantiles } from './read-quantiles.ts';
import { readStandardError } from './read-standard-error.ts';

/** What a sketch keeps, and which quantiles are read of it. */
export interface SketchPlan extends Partial<QuantilesPlan> {
  /** Of `approxDistinct`. */
  readonly hashes?: number | undefined;
}

/** Judges what a sketch is told beside its input; null where it is told faultily. Of what is no sketch nothing. */
export function readSketch(feature: Feature, path: string, report: ReportFault): SketchPlan | null {
  const { aggregate } = feature;
  if (aggregate === 'quantiles' || aggregate === 'median') return readQuantiles(feature, path, report);
  if (aggregate !== 'approxDistinct') return {};
  const hashes = readStandardError(feature.error, path, report);
  return hashes === null ? null : { hashes };
}
