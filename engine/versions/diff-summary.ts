import type { VersionsDiff } from './diff-types.ts';

/** Of a feature whose type changed nothing is equal: every cell counts as another. */
export interface DifferingCells {
  readonly feature: string;
  readonly cells: number;
  readonly differing: number;
}

/** The shared features by their cells, in the order of the newer version; those of another type last, all of their cells differing. */
export function differingCells({ features, retyped, entities }: VersionsDiff): DifferingCells[] {
  return [
    ...features.map(({ feature, cells, differing }) => ({ feature, cells, differing })),
    ...retyped.map(({ feature }) => ({ feature, cells: entities, differing: entities })),
  ];
}
