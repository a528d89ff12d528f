/** The source and the view that random logs are made of, as the oracle has them: decode and contract by hand. */
import type { OracleScalar, OracleType } from './order.ts';
import type { OracleLog, OracleSource } from './source-log.ts';
import type { OracleInput, OracleView } from './view.ts';

/** A visit as a producer writes it; text is a payload that is no JSON object. */
export type RawVisit =
  | string
  | {
      readonly id: string | number | null;
      /** ISO UTC with six decimals. */
      readonly at: string | null;
      readonly who: string | null;
      readonly kept: boolean | null;
      readonly n: number | null;
      readonly x: number | null;
      readonly p: string | null;
      readonly s: string | null;
    };

/** A visit as the contract gives it. */
export interface Visit {
  readonly id: OracleScalar;
  readonly at: number;
  readonly who: string | null;
  readonly kept: boolean;
  readonly n: number | null;
  readonly x: number | null;
  readonly p: string | null;
  readonly s: string | null;
}

/** How the event id is declared; `none`: it is a text that is no event id. */
export type IdKind = 'text' | 'int' | 'int64' | 'none';

export interface VisitSettings {
  readonly idKind: IdKind;
  readonly untilUs: number | null;
  readonly horizonUs: number;
  readonly maxAheadUs: number | null;
  readonly brokerTime: 'record' | 'none';
}

export interface VisitStep {
  readonly partition: number;
  readonly brokerTimeUs: number | null;
  readonly value: RawVisit | null;
}

/** A log of visits: what is in the files, and what happens to the topic, in order of time. */
export interface VisitLog {
  readonly settings: VisitSettings;
  readonly gUs: number;
  readonly files: readonly { readonly name: string; readonly rows: readonly RawVisit[] }[];
  /** Partitions there from the beginning; a further one is added when its first record comes. */
  readonly firstPartitions: number;
  readonly steps: readonly VisitStep[];
}

const ID_TYPES: Readonly<Record<IdKind, OracleType | null>> = {
  text: { kind: 'string' },
  int: { kind: 'int' },
  int64: { kind: 'int64' },
  none: null,
};

export function visitSource({
  idKind,
  untilUs,
  horizonUs,
  maxAheadUs,
  brokerTime,
}: VisitSettings): OracleSource<Visit> {
  return {
    decode: (value) => visitOf(idKind, value as RawVisit),
    eventTimeUs: ({ at }) => at,
    eventId: idKind === 'none' ? null : ({ id }) => id,
    untilUs,
    horizonUs,
    maxAheadUs,
    withoutBrokerTime: brokerTime === 'none',
  };
}

function visitOf(idKind: IdKind, raw: RawVisit): { row: Visit } | { invalid: string } {
  if (typeof raw === 'string') return { invalid: 'no JSON object' };
  const id = idOf(idKind, raw.id);
  if (id === null) return { invalid: 'id' };
  const { at, who, kept, n, x, p, s } = raw;
  if (at === null) return { invalid: 'at' };
  if (kept === null) return { invalid: 'kept' };
  if (n !== null && (!Number.isSafeInteger(n) || n < 0)) return { invalid: 'n' };
  return { row: { id, at: microsOf(at), who, kept, n, x: x === 0 ? 0 : x, p, s } };
}

function idOf(idKind: IdKind, id: string | number | null): OracleScalar | null {
  if (idKind === 'int64') return id === null ? null : BigInt(id);
  return id;
}

const INT = { kind: 'int' } as const;
const DOUBLE = { kind: 'double' } as const;
const MONEY = { kind: 'decimal', scale: 2 } as const;
const TEXT = { kind: 'string' } as const;

/** The fields that features are over. */
const OF_S: OracleInput<Visit> = { type: TEXT, of: ({ s }) => s };
const OF_N: OracleInput<Visit> = { type: INT, of: ({ n }) => n };
const OF_P: OracleInput<Visit> = { type: MONEY, of: ({ p }) => p };
const OF_X: OracleInput<Visit> = { type: DOUBLE, of: ({ x }) => x };

/** The number whose row function fails. */
export const UNLUCKY = 13;

export function visitView(idKind: IdKind): OracleView<Visit> {
  return {
    where: ({ kept }) => kept,
    key: ({ who }) => who,
    idType: ID_TYPES[idKind],
    expireUs: 2 * 86_400_000_000,
    features: [
      { name: 'visits_2m', aggregate: 'count', input: null, over: { window: '2m', hop: '30s' } },
      { name: 'numbers', aggregate: 'count', input: OF_N, over: null },
      // Windows that are no multiple of their hop.
      { name: 'n_90s', aggregate: 'sum', input: OF_N, over: { window: '90s', hop: '1m' } },
      {
        name: 'x_50m',
        aggregate: 'sum',
        input: OF_X,
        over: { window: '50m', hop: '7m' },
      },
      { name: 'p_1h', aggregate: 'avg', input: OF_P, over: { window: '1h' } },
      {
        name: 'p_2m_or_5',
        aggregate: 'sum',
        input: OF_P,
        fill: '-5.10',
        over: { window: '2m' },
      },
      {
        name: 'last_s_or_none',
        aggregate: 'last',
        input: OF_S,
        fill: "n'one",
        over: { window: '2m' },
      },
      {
        name: 'x_max_before_or_0',
        aggregate: 'max',
        input: OF_X,
        fill: 0,
        over: { window: '1h', ago: '1h' },
      },
      // The windows before them, and of less than a tile ago.
      { name: 'visits_2m_before', aggregate: 'count', input: null, over: { window: '2m', hop: '30s', ago: '2m' } },
      {
        name: 'x_50m_before',
        aggregate: 'sum',
        input: OF_X,
        over: { window: '50m', hop: '7m', ago: '50m' },
      },
      {
        name: 'last_s_a_minute_ago',
        aggregate: 'last',
        input: OF_S,
        over: { window: '50m', hop: '7m', ago: '1m' },
      },
      {
        name: 'n_deviation_yesterday',
        aggregate: 'stddev',
        input: OF_N,
        over: { window: '1d', ago: '1d' },
      },
      { name: 'x_avg', aggregate: 'avg', input: OF_X, over: null },
      { name: 's_min_1d', aggregate: 'min', input: OF_S, over: { window: '1d' } },
      { name: 'x_max_13d', aggregate: 'max', input: OF_X, over: { window: '13d' } },
      { name: 'first_s', aggregate: 'first', input: OF_S, over: null },
      { name: 'last_n', aggregate: 'last', input: OF_N, over: null },
      { name: 'last_p_2h', aggregate: 'last', input: OF_P, over: { window: '2h' } },
      { name: 'first_n_1d', aggregate: 'first', input: OF_N, over: { window: '1d' } },
      {
        name: 'x_deviation',
        aggregate: 'stddev',
        input: OF_X,
        over: { window: '50m', hop: '7m' },
      },
      { name: 'x_variance', aggregate: 'variance', input: OF_X, over: null },
      {
        name: 'p_variance_1h',
        aggregate: 'variance',
        population: true,
        input: OF_P,
        over: { window: '1h' },
      },
      { name: 'n_deviation_1d', aggregate: 'stddev', input: OF_N, over: { window: '1d' } },
      {
        name: 'x_quantiles_50m',
        aggregate: 'quantiles',
        quantiles: [0.9, 0.5, 0],
        input: OF_X,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'p_median',
        aggregate: 'median',
        accuracy: 0.1,
        input: OF_P,
        over: null,
      },
      {
        name: 'some_s_1d',
        aggregate: 'approxDistinct',
        input: OF_S,
        over: { window: '1d' },
      },
      {
        name: 'positive_1d',
        aggregate: 'count',
        input: null,
        where: ({ x }) => x !== null && x > 0,
        over: { window: '1d' },
      },
      {
        name: 'n_of_texts_50m',
        aggregate: 'sum',
        input: OF_N,
        where: ({ s }) => s !== null,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'last_s_with_p',
        aggregate: 'last',
        input: OF_S,
        where: ({ p }) => p !== null,
        over: null,
      },
      {
        // The input fails where the condition does not hold: it is not asked there.
        name: 'least_n_by_x',
        aggregate: 'minBy',
        input: {
          type: INT,
          of: ({ n }) => {
            if (n === null) throw new Error('null');
            return n;
          },
        },
        order: OF_X,
        where: ({ n }) => n !== null,
        over: { window: '2h' },
      },
      {
        name: 's_of_most_x',
        aggregate: 'maxBy',
        input: OF_S,
        order: OF_X,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'n_of_least_p',
        aggregate: 'minBy',
        input: OF_N,
        order: OF_P,
        over: null,
      },
      {
        name: 'p_by_rest_1d',
        aggregate: 'maxBy',
        input: OF_P,
        order: { type: INT, of: ({ n }) => (n === null ? null : n % 2) },
        over: { window: '1d' },
      },
      {
        name: 'last_3_s_50m',
        aggregate: 'lastN',
        size: 3,
        input: OF_S,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'last_2_n_each',
        aggregate: 'lastN',
        size: 2,
        distinct: true,
        input: OF_N,
        over: null,
      },
      {
        name: 'first_4_p_1d_before',
        aggregate: 'firstN',
        size: 4,
        input: OF_P,
        where: ({ x }) => x !== null,
        over: { window: '1d', ago: '1d' },
      },
      {
        name: 'first_2_s_each_or',
        aggregate: 'firstN',
        size: 2,
        distinct: true,
        input: OF_S,
        fill: '["none"]',
        over: { window: '2h' },
      },
      {
        name: 'distinct_n_50m',
        aggregate: 'distinct',
        limit: 3,
        input: OF_N,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'top_2_s_50m',
        aggregate: 'topK',
        top: 2,
        input: OF_S,
        over: { window: '50m', hop: '7m' },
      },
      { name: 'top_3_p', aggregate: 'topK', top: 3, limit: 4, input: OF_P, over: null },
      {
        name: 'distinct_s_before',
        aggregate: 'distinct',
        input: OF_S,
        where: ({ x }) => x !== null,
        over: { window: '1d', ago: '1d' },
      },
      {
        name: 'n_counted_50m',
        aggregate: 'histogram',
        limit: 4,
        input: OF_N,
        over: { window: '50m', hop: '7m' },
      },
      {
        name: 'p_by_s_1d',
        aggregate: 'sum',
        input: OF_P,
        by: { ...OF_S, limit: 3 },
        resultType: MONEY,
        over: { window: '1d' },
      },
      {
        name: 'rows_by_rest',
        aggregate: 'count',
        input: null,
        by: { type: INT, of: ({ n }) => (n === null ? null : n % 2), limit: 1000 },
        resultType: INT,
        over: null,
      },
      {
        name: 'x_median_by_s_before',
        aggregate: 'median',
        input: OF_X,
        where: ({ p }) => p !== null,
        by: { ...OF_S, limit: 1000 },
        resultType: DOUBLE,
        over: { window: '1d', ago: '1d' },
      },
      {
        name: 'odd',
        aggregate: 'sum',
        input: { type: INT, of: ({ n }) => (n === null ? null : oddOf(n)) },
        over: null,
      },
    ],
  };
}

function oddOf(n: number): number {
  if (n === UNLUCKY) throw new Error('unlucky');
  return n % 2;
}

/** The log as the oracle takes it: its files, and the first `steps` of what happens to the topic. */
export function oracleLogOf({ files, gUs, steps }: VisitLog, count: number = steps.length): OracleLog {
  const partitions = Map.groupBy(steps.slice(0, count), ({ partition }) => partition);
  return {
    files,
    gUs,
    partitions: [...partitions].map(([partition, records]) => ({
      partition,
      records: records.map(({ brokerTimeUs, value }, offset) => ({ offset, brokerTimeUs, value })),
    })),
  };
}

/** `'2026-03-01T00:00:00.000001Z'` */
export function isoOf(us: number): string {
  const into = ((us % 1_000_000) + 1_000_000) % 1_000_000;
  return `${new Date((us - into) / 1000).toISOString().slice(0, 19)}.${String(into).padStart(6, '0')}Z`;
}

function microsOf(iso: string): number {
  return Date.parse(`${iso.slice(0, 19)}Z`) * 1000 + Number(iso.slice(20, 26));
}
