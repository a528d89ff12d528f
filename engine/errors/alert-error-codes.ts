/** The codes of monitors and alerts. Part of `ERROR_CODES`. */
export const ALERT_ERROR_CODES = {
  'Monitors and alerts': {
    'unknown-alert': 'There is no alert of that id.',
    'alert-closed': 'An alert is to be acknowledged that is closed.',
    'invalid-alert-reason': 'What is said of an alert has no reason, or one that is too long.',
    'invalid-silence': 'A silence names nothing, has ended before it begins, or is for longer than it may be.',
    'monitors-not-started': 'Nobody evaluates the monitors: there is nothing to be stopped or asked.',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;
