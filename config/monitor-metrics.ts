import type { Metric } from './metric.ts';

/** The metrics of monitors. Part of `METRICS`. */
export const MONITOR_METRICS = {
  millrace_monitor_bytes: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: 'What the monitors of a source take: their states, and what readers see of them.',
  },
  millrace_monitor_budget_bytes: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: 'What they may take (`monitors: { budgetBytes }` on the source).',
  },
  millrace_monitor_sketches_dropped: {
    kind: 'gauge',
    from: 'serve',
    labels: ['source'],
    help: '1 where sketches of its smallest segments were dropped, since the budget was spent.',
  },
} as const satisfies Readonly<Record<string, Metric>>;
