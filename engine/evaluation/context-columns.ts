import { compareUtf8 } from '../values/compare.ts';

type Context = Readonly<Record<string, unknown>>;

/** More cost more than they tell: a regression per action is of the square of them. */
const MOST_COLUMNS = 40;
/** A text has a column of its own where it is that of so many rows, and so large a share of them. */
const LEAST_ROWS = 20;
const LEAST_SHARE = 0.01;
/** And of one field so many at most. */
const MOST_TEXTS = 10;

/**
 * What a reward may depend on, as numbers: the numbers of the contexts (times are µs), what is true, and the frequent texts, one column each. What a context
 * lacks is 0, with a column that says so. What rewards were is not looked at.
 *
 * @returns columns of one length for every context, finite
 * @example
 * const columns = contextColumns(log.map(({ context }) => context));
 * rewardByAction(columns);
 */
export function contextColumns(contexts: readonly Context[]): (context: Context) => readonly number[] {
  const fields = [...new Set(contexts.flatMap((context) => Object.keys(context)))].sort(compareUtf8);
  const columns = fields.flatMap((field) => columnsOf(field, contexts)).slice(0, MOST_COLUMNS);
  return (context) => columns.map((column) => column(context));
}

function columnsOf(field: string, contexts: readonly Context[]): ((context: Context) => number)[] {
  const texts = new Map<string, number>();
  let numbers = 0;
  let absent = 0;
  for (const context of contexts) {
    const value = context[field] ?? null;
    if (value === null) absent++;
    else if (typeof value === 'string') texts.set(value, (texts.get(value) ?? 0) + 1);
    else if (!Number.isNaN(numberOf(value))) numbers++;
  }
  const columns: ((context: Context) => number)[] = [];
  if (numbers > 0) {
    columns.push((context) => {
      const value = numberOf(context[field]);
      return Number.isNaN(value) ? 0 : value;
    });
  }
  const least = Math.max(LEAST_ROWS, LEAST_SHARE * contexts.length);
  const frequent = [...texts].filter(([, rows]) => rows >= least).sort(([a, m], [b, n]) => n - m || compareUtf8(a, b));
  for (const [text] of frequent.slice(0, MOST_TEXTS)) columns.push((context) => (context[field] === text ? 1 : 0));
  if (columns.length > 0 && absent >= LEAST_ROWS)
    columns.push((context) => ((context[field] ?? null) === null ? 1 : 0));
  return columns;
}

/** NaN: it is none. */
function numberOf(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  return typeof value === 'boolean' || typeof value === 'bigint' ? Number(value) : Number.NaN;
}
