/**
 * Random logs, dense where the rules meet: around `until`, G, the horizon's edge, the end of history and the edges of windows, with ties,
 * repeats, late and far records. Times and ids are drawn in relation to earlier rows, so that edges are met to the microsecond.
 */
import fc from 'fast-check';
import {
  type IdKind,
  isoOf,
  type RawVisit,
  UNLUCKY,
  type VisitLog,
  type VisitSettings,
  type VisitStep,
} from './visits.ts';

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where history ends and the topic begins, about. */
const BOUNDARY_US = Date.UTC(2026, 2, 1) * 1000;
const FAR_US = Date.UTC(2099, 0, 1) * 1000;

export interface RandomVisits {
  readonly historyRows: number;
  readonly topicRecords: number;
  readonly partitions: number;
  /** How many ids there are for rows that take a new one. Default 13. */
  readonly ids?: number;
  /** Logs of exactly that many rows and records. Default: of up to so many. */
  readonly full?: boolean;
  readonly settings?: Partial<VisitSettings>;
}

/** How a row's time, id and broker timestamp are found from what came before it. */
interface Draft {
  readonly from: 'boundary' | 'row' | 'recent' | 'newest';
  readonly pick: number;
  /** Index into the list of distances. */
  readonly distance: number;
  readonly sameId: boolean;
  readonly id: number;
  readonly kind: 'row' | 'tombstone' | 'text' | 'bad-n' | 'no-id' | 'no-time' | 'no-kept';
  readonly broker: 'later' | 'same' | 'edge' | 'ahead' | 'none';
  readonly who: string | null;
  readonly kept: boolean;
  readonly n: number | null;
  readonly x: number | null;
  readonly p: string | null;
  readonly s: string | null;
  readonly partition: number;
  readonly file: number;
}

const weighted = <T>(...options: readonly (readonly [weight: number, value: T])[]): fc.Arbitrary<T> =>
  fc.oneof(...options.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 6 });

const draft: fc.Arbitrary<Draft> = fc.record({
  from: weighted([3, 'row'], [4, 'recent'], [4, 'newest'], [1, 'boundary']),
  pick: fc.nat(1_000_000),
  distance: fc.nat(1_000_000),
  sameId: fc.boolean(),
  id: fc.nat(1_000_000),
  kind: weighted<Draft['kind']>(
    [40, 'row'],
    [1, 'tombstone'],
    [1, 'text'],
    [1, 'bad-n'],
    [1, 'no-id'],
    [1, 'no-time'],
    [1, 'no-kept'],
  ),
  broker: weighted<Draft['broker']>([8, 'later'], [2, 'same'], [2, 'edge'], [1, 'ahead'], [1, 'none']),
  who: fc.option(fc.constantFrom('a', 'b', 'é\u{1F600}'), { freq: 10 }),
  kept: weighted([8, true], [1, false]),
  n: some(fc.oneof(fc.nat(9), fc.constantFrom(9, 10, UNLUCKY, Number.MAX_SAFE_INTEGER))),
  x: some(fc.constantFrom(0.1, 0.2, 0.3, -0, 1e16, -1e16, 1, 5e-324, 1e308, -1e308, 1.7e308)),
  p: some(fc.constantFrom('0.10', '-3.35', '99999999.99', '7.00')),
  s: some(fc.constantFrom('', 'a', 'ab', '\uFFFD', '\u{1F600}')),
  partition: fc.nat(1_000_000),
  file: fc.nat(1_000_000),
});

const settingsOf = (fixed: Partial<VisitSettings>): fc.Arbitrary<VisitSettings> =>
  fc
    .record({
      idKind: weighted<IdKind>([4, 'text'], [3, 'int'], [2, 'int64'], [1, 'none']),
      untilUs: weighted<number | null>([2, null], [3, BOUNDARY_US]),
      horizonUs: weighted([3, 10 * MINUTE], [4, DAY], [1, 1000]),
      maxAheadUs: weighted<number | null>([4, HOUR], [1, null], [1, 1000]),
      brokerTime: weighted<VisitSettings['brokerTime']>([4, 'record'], [1, 'none']),
    })
    .map((drawn) => ({ ...drawn, ...fixed }));

/** In byte order, which is not that of any language. */
const FILE_NAMES = ['part-B', 'part-a', 'part-z', 'part-é'];

/** Logs of visits; `size` bounds them, `settings` fixes what it names. */
export function randomVisits({
  historyRows,
  topicRecords,
  partitions,
  ids = 13,
  full = false,
  settings = {},
}: RandomVisits): fc.Arbitrary<VisitLog> {
  return fc
    .record({
      settings: settingsOf(settings),
      ahead: weighted([2, 0], [1, HOUR], [2, 5 * DAY], [4, 30 * DAY], [1, -HOUR]),
      files: fc.integer({ min: 1, max: FILE_NAMES.length }),
      firstPartitions: fc.integer({ min: 1, max: partitions }),
      history: fc.array(draft, { minLength: full ? historyRows : 0, maxLength: historyRows, size: 'max' }),
      topic: fc.array(draft, { minLength: full ? topicRecords : 0, maxLength: topicRecords, size: 'max' }),
    })
    .map((drawn) => new Composition(drawn.settings, BOUNDARY_US + drawn.ahead, ids).log(drawn, partitions));
}

interface Drawn {
  readonly files: number;
  readonly firstPartitions: number;
  readonly history: readonly Draft[];
  readonly topic: readonly Draft[];
}

/** What a row's time and id may be drawn from. */
interface Base {
  readonly timeUs: number;
  readonly id: string | number | null;
}

/** Turns drafts into rows, each in relation to those before it. */
class Composition {
  readonly #settings: VisitSettings;
  readonly #gUs: number;
  readonly #ids: number;
  readonly #rows: Base[] = [];
  readonly #rowsByPartition = new Map<number, Base[]>();
  readonly #newest = new Map<number, number>();
  readonly #distances: readonly number[];
  #lastUs = BOUNDARY_US;

  constructor(settings: VisitSettings, gUs: number, ids: number) {
    this.#ids = ids;
    this.#settings = settings;
    this.#gUs = gUs;
    const { horizonUs, maxAheadUs } = settings;
    const edges = [
      horizonUs,
      horizonUs + 1,
      horizonUs - 1,
      maxAheadUs ?? HOUR,
      30 * SECOND,
      MINUTE,
      90 * SECOND,
      2 * MINUTE,
    ];
    const backward = [...edges, ...edges, DAY, 5 * DAY].map((edge) => -edge);
    this.#distances = [0, 0, 0, 0, 1, -1, 1, -1, ...edges, ...backward, 5 * DAY];
  }

  log({ files, firstPartitions, history, topic }: Drawn, partitions: number): VisitLog {
    const rows = history.map((one) => ({ file: one.file % files, value: this.#value(one, -1) }));
    let known = firstPartitions;
    const steps = topic.map((one): VisitStep => {
      // A further partition is added by its first record, one after the other.
      const partition = one.partition % Math.min(known + 1, partitions);
      known = Math.max(known, partition + 1);
      const value = one.kind === 'tombstone' ? null : this.#value(one, partition);
      return { partition, value, brokerTimeUs: this.#brokerTimeUs(one.broker) };
    });
    return {
      settings: this.#settings,
      gUs: this.#gUs,
      files: FILE_NAMES.slice(0, files).map((name, index) => ({
        name,
        rows: rows.filter(({ file, value }) => file === index && value !== null).map(({ value }) => value),
      })),
      firstPartitions,
      steps,
    };
  }

  #value(one: Draft, partition: number): RawVisit {
    const { who, kept, n, x, p, s, kind } = one;
    const base = this.#base(one, partition);
    const timeUs = base.timeUs + this.#distances[one.distance % this.#distances.length]!;
    this.#lastUs = timeUs;
    const id = one.sameId && base.id !== null ? base.id : this.#id(one.id % this.#ids);
    // Nothing follows a row of 2099 there: it is alone, as in life.
    const isFar = timeUs > BOUNDARY_US + 1000 * DAY;
    if (!isFar) this.#rowsOf(partition).push({ timeUs, id });
    if (!isFar) this.#rows.push({ timeUs, id });
    if (kind === 'row' && !isFar && (partition >= 0 || timeUs < this.#historyEndUs)) {
      this.#newest.set(partition, Math.max(this.#newest.get(partition) ?? timeUs, timeUs));
    }
    if (kind === 'text' && partition >= 0) return ['', 'no json', '[]', '{"id":'][one.pick % 4]!;
    return {
      id: kind === 'no-id' ? null : id,
      at: kind === 'no-time' ? null : isoOf(timeUs),
      who,
      kept: kind === 'no-kept' ? null : kept,
      n: kind === 'bad-n' || kind === 'text' ? -5 : n,
      x,
      p,
      s,
    };
  }

  #rowsOf(partition: number): Base[] {
    const rows = this.#rowsByPartition.get(partition) ?? [];
    this.#rowsByPartition.set(partition, rows);
    return rows;
  }

  /** From here on the guard or `until` stops a row of history. */
  get #historyEndUs(): number {
    const { untilUs, maxAheadUs } = this.#settings;
    return Math.min(untilUs ?? FAR_US, maxAheadUs === null ? FAR_US : this.#gUs + maxAheadUs);
  }

  #base({ from, pick }: Draft, partition: number): Base {
    const { length } = this.#rows;
    if (from === 'row' && length > 0) return this.#rows[pick % length]!;
    const own = this.#rowsOf(partition).length > 0 ? this.#rowsOf(partition) : this.#rows;
    if (from === 'recent' && length > 0) return own[own.length - 1 - (pick % Math.min(own.length, 6))]!;
    const newest = this.#newest.get(partition) ?? this.#newest.get(-1);
    if (from === 'newest' && newest !== undefined) return { timeUs: newest, id: null };
    const bound = this.#gUs + (this.#settings.maxAheadUs ?? 0);
    const boundaries = [BOUNDARY_US, this.#gUs, bound, BOUNDARY_US, BOUNDARY_US, pick % 7 === 0 ? FAR_US : BOUNDARY_US];
    return { timeUs: boundaries[pick % boundaries.length]!, id: null };
  }

  /** Ids whose order by value, by bytes and by UTF-16 differ; whole numbers next to each other that no double tells apart. */
  #id(n: number): string | number {
    const { idKind } = this.#settings;
    if (idKind === 'int') return n - 3;
    if (idKind === 'int64') return n % 2 === 0 ? String(n - 10) : String(9_007_199_254_740_992n + BigInt(n));
    return n === 0 ? '\u{1F600}' : n === 1 ? '\uFFFD' : `${n}`;
  }

  #brokerTimeUs(broker: Draft['broker']): number | null {
    if (broker === 'none') return null;
    const timeUs = this.#lastUs;
    const ahead = this.#settings.maxAheadUs ?? HOUR;
    const lag = { later: 40 * DAY, same: 0, edge: -ahead, ahead: -ahead - 1 }[broker];
    return timeUs + lag;
  }
}
