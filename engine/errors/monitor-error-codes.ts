/** The codes of monitors. Part of `ERROR_CODES`. */
export const MONITOR_ERROR_CODES = {
  Monitors: {
    'monitors-busy': 'The monitors of a source are to be computed anew, and another is at it.',
    'not-monitored': 'The monitors of a source are asked for that says `monitors: false`.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
