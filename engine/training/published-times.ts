import { servedTimes } from '../postgres/served-times.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import type { TimeRange } from './spine-labels.ts';

/** A flip ends one version and publishes the next in two statements of one transaction: nobody was without the view in between. */
const FLIP_US = 1_000_000;

/** A time in which readers got a version of a view: [fromUs, untilUs), epoch µs. */
export interface PublishedTime extends TimeRange {
  readonly version: ViewVersion;
}

/**
 * The times in which readers got each version of a view, oldest first, as far as the present.
 *
 * @param nowUs a label of the present sees what is served now; one of the future cannot know
 */
export function publishedTimes(versions: readonly ViewVersion[], nowUs: number): PublishedTime[] {
  const published = versions
    .flatMap((version) => servedTimes(version).map((time) => ({ version, ...time })))
    .sort((a, b) => a.fromUs - b.fromUs);
  return published.map(({ version, fromUs, untilUs }, index) => {
    const nextUs = published[index + 1]?.fromUs ?? Number.POSITIVE_INFINITY;
    const endedUs = untilUs ?? Number.POSITIVE_INFINITY;
    return { version, fromUs, untilUs: Math.min(nextUs - endedUs < FLIP_US ? nextUs : endedUs, nextUs, nowUs + 1) };
  });
}
