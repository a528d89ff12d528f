/** What becomes of every record of a source, written from design §5 and §7 alone: decode → contract → time guard → `until` → dedupe. */
import { compareTexts, type OracleScalar } from './order.ts';

export interface OracleSource<Row> {
  /** Decode and contract in one: the row, or why there is none. */
  readonly decode: (value: unknown) => { readonly row: Row } | { readonly invalid: string };
  readonly eventTimeUs: (row: Row) => number;
  /** `null`: the source declares no event id, so nothing is a duplicate. */
  readonly eventId: ((row: Row) => OracleScalar) | null;
  /** History counts before it, the topic from it on; `null`: no bound. */
  readonly untilUs: number | null;
  readonly horizonUs: number;
  /** `null`: no guard (`maxAhead: false`). */
  readonly maxAheadUs: number | null;
  /** `brokerTime: 'none'`. */
  readonly withoutBrokerTime: boolean;
}

export interface OracleFile {
  readonly name: string;
  readonly rows: readonly unknown[];
}

/** A topic's record; a `null` value is a tombstone. */
export interface OracleRecord {
  readonly offset: number;
  readonly brokerTimeUs: number | null;
  readonly value: unknown;
}

export interface OraclePartition {
  readonly partition: number;
  /** In offset order. */
  readonly records: readonly OracleRecord[];
}

export interface OracleLog {
  readonly files: readonly OracleFile[];
  /** G: the instant the listing of the files was first read. */
  readonly gUs: number;
  readonly partitions: readonly OraclePartition[];
}

export type OracleOutcome = 'tombstone' | 'invalid' | 'outside-until' | 'duplicate' | 'event';

/** One record and what became of it. History is partition −1, its offset the position by (file name, row). */
export interface OracleStep<Row> {
  readonly partition: number;
  readonly offset: number;
  readonly outcome: OracleOutcome;
  /** Why it is invalid: the contract's words, else the guard's. */
  readonly reason: string | null;
  readonly row: Row | null;
  readonly eventTimeUs: number | null;
  readonly id: OracleScalar | null;
  /** Older than watermark − horizon, and counted as an event all the same. */
  readonly undeduped: boolean;
}

/** A step's outcome, an event that could not be judged under a name of its own. */
export function kindOf({ outcome, undeduped }: OracleStep<unknown>): OracleOutcome | 'undeduped' {
  return undeduped ? 'undeduped' : outcome;
}

/** Where a partition stands: the highest event time that reached dedupe, and the time at which each id was last claimed. */
export interface OracleProgress {
  readonly watermarkUs: number;
  readonly claims: ReadonlyMap<OracleScalar, number>;
}

export interface OracleOutcomes<Row> {
  /** History by (file name, row), then each partition by offset. */
  readonly steps: readonly OracleStep<Row>[];
  readonly history: OracleProgress;
  /** By partition, history being −1. */
  readonly progress: ReadonlyMap<number, OracleProgress>;
}

const NOTHING: OracleProgress = { watermarkUs: Number.NEGATIVE_INFINITY, claims: new Map() };

/** The whole log of a source, or any prefix of it. */
export function oracleLog<Row>(source: OracleSource<Row>, log: OracleLog): OracleOutcomes<Row> {
  const positions = log.files
    .toSorted((a, b) => compareTexts(a.name, b.name))
    .flatMap(({ rows }) => rows)
    .map((value, offset) =>
      admitted(source, { partition: -1, offset, value, latestUs: log.gUs, reason: 'ahead-of-history' }),
    );
  // Positions order rows of one time by (file name, row) already: the sort is stable.
  const inTime = positions.toSorted((a, b) => (a.eventTimeUs ?? 0) - (b.eventTimeUs ?? 0));
  const history = deduped(source, NOTHING, inTime);
  const steps = history.steps.toSorted((a, b) => a.offset - b.offset);
  const progress = new Map([[-1, history.end]]);
  for (const { partition, records } of log.partitions) {
    const own = records.map(({ offset, value, brokerTimeUs }) =>
      admitted(source, { partition, offset, value, latestUs: brokerTimeUs, reason: 'ahead-of-broker' }),
    );
    const walked = deduped(source, history.end, own);
    steps.push(...walked.steps);
    progress.set(partition, walked.end);
  }
  return { steps, history: history.end, progress };
}

interface Arrival {
  readonly partition: number;
  readonly offset: number;
  readonly value: unknown;
  /** What its time is measured against; null: the record has no broker timestamp. */
  readonly latestUs: number | null;
  /** Of a time too far ahead of it. */
  readonly reason: string;
}

/** Decode, contract, time guard and `until`: what passes is an `event` so far. */
function admitted<Row>(source: OracleSource<Row>, arrival: Arrival): OracleStep<Row> {
  const { partition, offset, value, latestUs } = arrival;
  const step = { partition, offset, reason: null, row: null, eventTimeUs: null, id: null, undeduped: false };
  if (partition >= 0 && value === null) return { ...step, outcome: 'tombstone' };
  const decoded = source.decode(value);
  if ('invalid' in decoded) return { ...step, outcome: 'invalid', reason: decoded.invalid };
  const { row } = decoded;
  const eventTimeUs = source.eventTimeUs(row);
  const known = { ...step, row, eventTimeUs, id: source.eventId?.(row) ?? null };
  if (source.maxAheadUs !== null) {
    if (latestUs === null) {
      if (!source.withoutBrokerTime) return { ...known, outcome: 'invalid', reason: 'no-broker-timestamp' };
    } else if (eventTimeUs > latestUs + source.maxAheadUs) {
      return { ...known, outcome: 'invalid', reason: arrival.reason };
    }
  }
  if (source.untilUs !== null && eventTimeUs < source.untilUs !== (partition === -1)) {
    return { ...known, outcome: 'outside-until' };
  }
  return { ...known, outcome: 'event' };
}

/** Dedupe: the steps in log order, from where a partition starts. */
function deduped<Row>(
  source: OracleSource<Row>,
  start: OracleProgress,
  steps: readonly OracleStep<Row>[],
): { steps: OracleStep<Row>[]; end: OracleProgress } {
  let { watermarkUs } = start;
  const claims = new Map(start.claims);
  const after = steps.map((step): OracleStep<Row> => {
    if (step.outcome !== 'event') return step;
    const timeUs = step.eventTimeUs!;
    const beforeUs = watermarkUs;
    watermarkUs = Math.max(beforeUs, timeUs);
    if (step.id === null) return step;
    const claimUs = claims.get(step.id);
    if (claimUs !== undefined && Math.max(beforeUs, timeUs) <= claimUs + source.horizonUs) {
      return { ...step, outcome: 'duplicate' };
    }
    claims.set(step.id, timeUs);
    return { ...step, undeduped: timeUs < beforeUs - source.horizonUs };
  });
  return { steps: after, end: { watermarkUs, claims } };
}

/** The ids a next record could still repeat: those whose claim the horizon still reaches. */
export function knownIds(progress: OracleProgress, horizonUs: number): Map<OracleScalar, number> {
  return new Map([...progress.claims].filter(([, claimUs]) => progress.watermarkUs <= claimUs + horizonUs));
}

/**
 * Whether history ends after its topic begins, which counts twice: refused unless `until` or `disjoint: true` says how it is meant.
 * The end is history's final watermark; the topic begins with the first record of a partition that reaches dedupe.
 */
export function overlaps<Row>({ steps, history }: OracleOutcomes<Row>): boolean {
  const begun = new Set<number>();
  return steps.some(({ partition, outcome, eventTimeUs }) => {
    if (partition < 0 || begun.has(partition) || (outcome !== 'event' && outcome !== 'duplicate')) return false;
    begun.add(partition);
    return history.watermarkUs > eventTimeUs!;
  });
}
