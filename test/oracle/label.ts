/**
 * Labels, a second time, from the text alone: "Label(d) = value over its outcomes with `knownAt ≤ d.time + matureAfter`, in the order (time, id), `reduce:
 * 'first'|'last'|'sum'|fn`; d is mature at `asOf` iff `d.time + matureAfter ≤ asOf`"; "`absent: 0 | null | 'leave-out'`"; "Immature labels are left out and
 * counted"; "Later outcomes are counted `after-maturity` and change no row". An id that comes again is the same outcome: the one heard first.
 */
export interface OracleOutcome {
  readonly id: string;
  readonly time: number;
  readonly knownAt: number;
  readonly value: number;
}

export function oracleLabel(
  decisionTime: number,
  heard: readonly OracleOutcome[],
  matureAfter: number,
  reduce: 'first' | 'last' | 'sum' | ((values: readonly number[]) => number | null),
  absent: 0 | null | 'leave-out',
  asOf: number,
): 'immature' | 'left-out' | { value: number | null; outcomes: number; afterMaturity: number } {
  if (!(decisionTime + matureAfter <= asOf)) return 'immature';
  const once = heard.filter(
    (outcome) => !heard.some((other) => other.id === outcome.id && other.knownAt < outcome.knownAt),
  );
  const own = once.filter((outcome) => outcome.knownAt <= decisionTime + matureAfter);
  const afterMaturity = once.filter(
    (outcome) => outcome.knownAt > decisionTime + matureAfter && outcome.knownAt <= asOf,
  ).length;
  if (own.length === 0) return absent === 'leave-out' ? 'left-out' : { value: absent, outcomes: 0, afterMaturity };
  const isBefore = (a: OracleOutcome, b: OracleOutcome): boolean =>
    a.time !== b.time ? a.time < b.time : Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)) < 0;
  // The place of each is the number of those before it.
  const ordered: number[] = [];
  for (const outcome of own) ordered[own.filter((other) => isBefore(other, outcome)).length] = outcome.value;
  const outcomes = own.length;
  if (reduce === 'first') return { value: ordered[0]!, outcomes, afterMaturity };
  if (reduce === 'last') return { value: ordered[outcomes - 1]!, outcomes, afterMaturity };
  // Whole numbers alone are summed up here: no order rounds.
  if (reduce === 'sum') return { value: ordered.reduce((sum, each) => sum + each, 0), outcomes, afterMaturity };
  return { value: reduce(ordered), outcomes, afterMaturity };
}
