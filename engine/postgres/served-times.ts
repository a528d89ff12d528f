import type { ViewVersion } from './view-versions.ts';

/** A time in which readers got a version, epoch µs; null: they still do. */
export interface ServedTime {
  readonly fromUs: number;
  readonly untilUs: number | null;
}

/** The times in which readers got a version, oldest first: several of one that they were flipped back to. */
export function servedTimes({
  servedBefore,
  publishedAtUs,
  endedAtUs,
}: Pick<ViewVersion, 'servedBefore' | 'publishedAtUs' | 'endedAtUs'>): readonly ServedTime[] {
  if (publishedAtUs === null) return [];
  return [
    ...servedBefore.map(([fromUs, untilUs]) => ({ fromUs, untilUs })),
    { fromUs: publishedAtUs, untilUs: endedAtUs },
  ];
}
