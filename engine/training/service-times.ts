import type { ServiceVersion } from '../postgres/service-versions.ts';
import type { PublishedTime } from './published-times.ts';
import type { TimeRange } from './spine-labels.ts';

/** A time in which readers got a version of a service: [fromUs, untilUs), epoch µs. */
export interface ServiceTime<Version extends ServedParts = ServiceVersion> extends TimeRange {
  readonly version: Version;
}

/** What decides when a version of a service is served. */
export type ServedParts = Pick<ServiceVersion, 'version' | 'views' | 'appliedAtUs'>;

type Published = TimeRange & { readonly version: { readonly tags: PublishedTime['version']['tags'] } };

/**
 * When which version of a service was served, oldest first: of those applied by then the newest of which every view served all features, as it
 * means them.
 *
 * @param published by view, the times of its versions
 */
export function serviceTimes<Version extends ServedParts>(
  versions: readonly Version[],
  published: ReadonlyMap<string, readonly Published[]>,
): ServiceTime<Version>[] {
  const newestFirst = versions.toSorted((a, b) => b.version - a.version);
  const changes = new Set(versions.map(({ appliedAtUs }) => appliedAtUs));
  for (const times of published.values()) for (const { fromUs, untilUs } of times) changes.add(fromUs).add(untilUs);
  const ordered = [...changes].sort((a, b) => a - b);
  const found: ServiceTime<Version>[] = [];
  for (const [index, fromUs] of ordered.entries()) {
    const untilUs = ordered[index + 1];
    // After the last of them nothing is known to be served.
    if (untilUs === undefined) break;
    const version = newestFirst.find((one) => one.appliedAtUs <= fromUs && isServedAt(one, published, fromUs));
    if (version === undefined) continue;
    const last = found.at(-1);
    if (last?.version === version && last.untilUs === fromUs) found[found.length - 1] = { ...last, untilUs };
    else found.push({ version, fromUs, untilUs });
  }
  return found;
}

function isServedAt(
  { views }: ServedParts,
  published: ReadonlyMap<string, readonly Published[]>,
  atUs: number,
): boolean {
  return Object.entries(views).every(([view, features]) => {
    const live = published.get(view)?.find(({ fromUs, untilUs }) => fromUs <= atUs && atUs < untilUs);
    const tags = live?.version.tags?.features;
    return tags !== undefined && Object.entries(features).every(([feature, tag]) => tags[feature] === tag);
  });
}
