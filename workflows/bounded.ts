/** Temporal takes 2 MB per payload and cuts failures at 4 kB on the way; a person reads less. In characters. */
const TEXT_MOST = 2_000;
/** Of a page in Temporal's UI, which is read by people: more is a list that nobody reads to its end. In characters. */
const PAGE_MOST = 40_000;
/** Of an activity's result: Temporal refuses 2 MB, and an activity whose result is refused would be run again and again. */
export const RESULT_MOST_BYTES = 1_500_000;
/** Of details and of results, as JSON. */
const JSON_MOST = 16_000;
const DEPTH_MOST = 6;
const ENTRIES_MOST = 20;

/** A text for people that fits: its beginning and its end, and how much was left out between. */
export function bounded(text: string, most = TEXT_MOST): string {
  if (text.length <= most) return text;
  const note = ` … [${text.length - most} characters left out] … `;
  const tail = Math.floor(most / 4);
  return `${text.slice(0, most - tail)}${note}${text.slice(text.length - tail)}`;
}

/** A page for Temporal's UI that fits. */
export function boundedPage(text: string): string {
  return bounded(text, PAGE_MOST);
}

/** A value as JSON can carry it (bigints as strings), with its texts, lists and fields bounded, and said to be. */
export function boundedJson(value: unknown): unknown {
  const whole = shortened(value, DEPTH_MOST);
  const text = JSON.stringify(whole) ?? 'null';
  return text.length <= JSON_MOST ? whole : { leftOut: `${text.length} characters of details` };
}

function shortened(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return bounded(value, 500);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) {
    const kept = value.slice(0, ENTRIES_MOST).map((one) => shortened(one, depth - 1));
    return value.length > ENTRIES_MOST ? [...kept, `… ${value.length - ENTRIES_MOST} more`] : kept;
  }
  if (value instanceof Date) return value.toISOString();
  const fields = Object.entries(value);
  const kept = fields.slice(0, ENTRIES_MOST).map(([name, of]) => [bounded(name, 200), shortened(of, depth - 1)]);
  if (fields.length > ENTRIES_MOST) kept.push(['…', `${fields.length - ENTRIES_MOST} more`]);
  return Object.fromEntries(kept);
}
