const SHOWN_CHARACTERS = 200;

/** A received value as a refusal shows it, long ones shortened. */
export function describeReceived(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing';
    case 'string': {
      const shown = value.length > SHOWN_CHARACTERS ? `${value.slice(0, SHOWN_CHARACTERS)}…` : value;
      const more = value.length > SHOWN_CHARACTERS ? ` (${value.length} characters)` : '';
      return `${JSON.stringify(shown.toWellFormed())}${more}`;
    }
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    default:
      return Object.is(value, -0) ? '0' : String(value);
  }
}
