import type { LabelRuleOptions, SaidDecision, SaidOutcome } from './label-world.ts';
import { MATURE_US } from './label-world.ts';

/** A record of a topic as a test wrote it; `offset` within its partition. Times in µs after T0. */
export interface Written<Said> {
  readonly partition: number;
  readonly offset: number;
  readonly arrivedUs: number;
  readonly said: Said;
}

/** What is to come out: by decision its label, in the order of (time, id). */
export type NaiveLabels = ReadonlyMap<string, number | null | 'left-out'>;

/**
 * The labels of a log, by the words alone: over a decision's outcomes that were known by `d.time + matureAfter`, in the order (time, id); mature is what
 * has `d.time + matureAfter <= asOf`; a shadow has the label of what it shadows; an id counts once, as it was known first.
 */
export function naiveLabels(
  decisions: readonly Written<SaidDecision>[],
  outcomes: readonly Written<SaidOutcome>[],
  asOfUs: number,
  { reduce = 'last', absent = 'leave-out', byFlight = false }: LabelRuleOptions,
  wanted: (decision: SaidDecision) => boolean,
): NaiveLabels {
  const decided = firstOfEach(decisions, ({ arrivedUs }) => arrivedUs);
  const heard = firstOfEach(outcomes, knownUs);
  const labels = new Map<string, number | null | 'left-out'>();
  const inOrder = [...decided.values()].sort((a, b) => a.said.atUs - b.said.atUs || (a.said.id < b.said.id ? -1 : 1));
  for (const { said } of inOrder) {
    if (!wanted(said)) continue;
    const of = decided.get(said.shadowOf ?? '')?.said ?? said;
    const matureUs = of.atUs + MATURE_US;
    if (matureUs > asOfUs) continue;
    const own = [...heard.values()].filter((outcome) => {
      const { decision, flight, atUs } = outcome.said;
      const isOf = byFlight
        ? flight != null && flight === of.flight && atUs >= of.atUs
        : decision != null && decision === (of === said ? (said.shadowOf ?? said.id) : of.id);
      return isOf && knownUs(outcome) <= matureUs && outcome.said.value !== null;
    });
    own.sort((a, b) => a.said.atUs - b.said.atUs || (a.said.id < b.said.id ? -1 : 1));
    const values = own.map((outcome) => outcome.said.value!);
    if (values.length === 0) labels.set(said.id, absent === 'leave-out' ? 'left-out' : absent);
    else if (reduce === 'sum')
      labels.set(
        said.id,
        values.reduce((sum, value) => sum + value, 0),
      );
    else labels.set(said.id, reduce === 'first' ? values[0]! : values.at(-1)!);
  }
  return labels;
}

function knownUs({ said, arrivedUs }: Written<SaidOutcome>): number {
  return said.knownUs ?? arrivedUs;
}

function firstOfEach<Said extends { readonly id: string; readonly atUs: number }>(
  records: readonly Written<Said>[],
  timeOf: (record: Written<Said>) => number,
): Map<string, Written<Said>> {
  const place = (record: Written<Said>): number[] => {
    return [timeOf(record), record.said.atUs, record.partition, record.offset];
  };
  // In a partition a repeat is none from the start: its first record counts.
  const inPartition = new Map(records.toReversed().map((record) => [`${record.partition} ${record.said.id}`, record]));
  const first = new Map<string, Written<Said>>();
  for (const record of inPartition.values()) {
    const before = first.get(record.said.id);
    if (before === undefined || isBefore(place(record), place(before))) first.set(record.said.id, record);
  }
  return first;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  const differing = a.findIndex((part, index) => part !== b[index]);
  return differing >= 0 && a[differing]! < b[differing]!;
}
