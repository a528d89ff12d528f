import type { SeededRandom } from '../statistics/seeded-random.ts';
import { MATURE_US, type SaidDecision, type SaidOutcome } from './label-world.ts';
import type { Written } from './naive-labels.ts';

/** A log of both topics, two partitions each, in the order of arrival within each. */
export interface RandomLog {
  readonly decisions: readonly Written<SaidDecision>[];
  readonly outcomes: readonly Written<SaidOutcome>[];
}

const MS = 1_000;
const YEAR_US = 365 * 86_400_000_000;
/** Where rules meet, µs. */
const EDGES = [-1, 0, 0, 1];

/**
 * A log that is dense at the edges: outcomes at the very time of their decision, at its maturity and known at it, a microsecond to either side; ids twice, in one
 * partition and in both; out of order, years late, of nothing; shadows of decisions that are there or not.
 *
 * @param declares whether outcomes may say that they were known before their records arrived
 */
export function randomLog(random: SeededRandom, { declares }: { readonly declares: boolean }): RandomLog {
  const below = (n: number): number => Math.floor(random.uniform() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const chance = (share: number): boolean => random.uniform() < share;
  // The second partition of outcomes may be idle.
  const partitions = chance(0.3) ? 1 : 2;

  const decisions: Omit<Written<SaidDecision>, 'offset'>[] = [];
  for (let index = 0; index < 12; index++) {
    const atUs = 20 * MS + pick([0, 5 * MS, MATURE_US, 2 * MATURE_US, below(30 * MS)]) + pick(EDGES);
    // What a shadow shadows is none itself.
    const shadowOf = chance(0.25) ? `d${below(12)}` : null;
    const id = shadowOf === null ? `d${below(10)}` : `s${below(3)}`;
    const arrivedUs = Math.ceil(atUs / MS) * MS + pick([0, MS, 15 * MS]);
    const flight = pick(['f', 'g', null]);
    const said = { id, atUs, flight, action: `a${index}`, shadowOf };
    decisions.push({ partition: below(2), arrivedUs, said });
  }

  const outcomes: Omit<Written<SaidOutcome>, 'offset'>[] = [];
  for (let index = 0; index < 24; index++) {
    const of = pick(decisions).said;
    const matureUs = of.atUs + MATURE_US;
    const atUs = of.atUs + pick([-YEAR_US, -1, 0, 0, 1, MATURE_US, below(MATURE_US), MATURE_US + 1]);
    const nearUs = Math.floor(matureUs / MS) * MS + pick([-MS, 0, 0, MS, 30 * MS]);
    const latestUs = Math.ceil(Math.max(matureUs, atUs) / MS) * MS;
    const arrivedUs = Math.max(0, pick([nearUs, latestUs, Math.ceil(Math.max(0, atUs) / MS) * MS, latestUs + YEAR_US]));
    const declaredUs = pick([null, null, matureUs + pick(EDGES), arrivedUs + pick([0, 1, MS])]);
    const knownUs = declaredUs === null || declares ? declaredUs : Math.max(declaredUs, arrivedUs);
    const decision = chance(0.1) ? pick([null, 'nobody']) : of.id;
    const said = { id: `o${index}`, decision, flight: pick([of.flight ?? null, 'f', null]), atUs, knownUs };
    const value = chance(0.1) ? null : 1 + below(5);
    outcomes.push({ partition: below(partitions), arrivedUs, said: { ...said, value } });
    if (!chance(0.25)) continue;
    // Again: the same in the same partition, or something else in the other one.
    const laterUs = arrivedUs + pick([0, MS, 10 * MS]);
    if (partitions === 1 || chance(0.5)) outcomes.push({ ...outcomes.at(-1)!, arrivedUs: laterUs });
    else
      outcomes.push({
        partition: 1 - outcomes.at(-1)!.partition,
        arrivedUs: Math.max(0, arrivedUs + pick([-5 * MS, 0, 10 * MS])),
        said: { ...said, id: `o${index}`, knownUs: null, value: 7 },
      });
  }
  return { decisions: inPartitions(decisions), outcomes: inPartitions(outcomes) };
}

/** In the order of arrival, with their offsets. */
function inPartitions<Said>(records: readonly Omit<Written<Said>, 'offset'>[]): Written<Said>[] {
  const ends = [0, 0];
  return records
    .toSorted((a, b) => a.arrivedUs - b.arrivedUs)
    .map((record) => ({ ...record, offset: ends[record.partition]!++ }));
}
