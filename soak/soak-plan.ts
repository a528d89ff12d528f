/** How much of everything one soak does. */
export interface SoakPlan {
  /** How long records arrive, reads are made and processes are killed. */
  readonly liveSeconds: number;
  /** Cells the logged reads of all views have together, at least. */
  readonly cells: number;
  /** Days of real flights as history, and days of them sent to the topic while the soak is live. */
  readonly flightHistoryDays: number;
  readonly flightTopicDays: number;
  readonly historyPayments: number;
  readonly paymentsPerSecond: number;
  /** Decisions of the application; about as many outcomes come of them. */
  readonly suggestionsPerSecond: number;
  readonly restarts: Readonly<Record<RestartKind, number>>;
  /** Audits of every view while the soak is live, evenly spread. */
  readonly auditsMeanwhile: number;
}

export const RESTART_KINDS = ['worker', 'broker', 'database'] as const;
export type RestartKind = (typeof RESTART_KINDS)[number];

const FULL_CELLS = 1_200_000;
const CELLS_PER_MINUTE = 240_000;

/**
 * The plan of `npm run soak -- --minutes M`. From five minutes on it compares over a million cells.
 *
 * @example planOf(10).cells // 1200000
 */
export function planOf(minutes: number): SoakPlan {
  const times = (perMinute: number): number => Math.max(1, Math.round(perMinute * minutes));
  return {
    liveSeconds: minutes * 60,
    cells: minutes >= 5 ? FULL_CELLS : Math.round(CELLS_PER_MINUTE * minutes),
    flightHistoryDays: minutes >= 5 ? 14 : 4,
    // About 16,500 flights a day.
    flightTopicDays: Math.max(0.25, Math.min(5, minutes * 0.4)),
    historyPayments: minutes >= 5 ? 50_000 : 10_000,
    paymentsPerSecond: 150,
    suggestionsPerSecond: 25,
    restarts: { worker: times(0.6), broker: times(0.2), database: times(0.2) },
    auditsMeanwhile: minutes >= 5 ? 2 : 1,
  };
}

/** Seconds rather than minutes, for the test: every part of the soak, once. */
export const SHORT_PLAN: SoakPlan = {
  liveSeconds: 15,
  cells: 30_000,
  flightHistoryDays: 1,
  flightTopicDays: 0.08,
  historyPayments: 2_000,
  paymentsPerSecond: 100,
  suggestionsPerSecond: 20,
  restarts: { worker: 1, broker: 1, database: 1 },
  auditsMeanwhile: 0,
};
