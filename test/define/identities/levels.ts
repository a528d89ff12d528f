export const LEVELS = ['low', 'mid', 'high'] as const;
export type Level = (typeof LEVELS)[number];

const WEIGHTS: Readonly<Record<Level, number>> = { low: 0, mid: 0.5, high: 1 } satisfies Record<Level, number>;

export function levelOf(level: Level): number {
  return WEIGHTS[level];
}
