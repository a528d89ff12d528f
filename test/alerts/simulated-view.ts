import type {
  MonitorBucket,
  MonitorSegment,
  MonitorSubject,
  ValueSummary,
} from '../../engine/monitors/monitor-bucket.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';

export const HOUR_MS = 3_600_000;
export const WEEK_MS = 168 * HOUR_MS;
const SEGMENTS = ['ATL', 'ORD', 'DFW', 'DEN', 'BOI'];
const SEGMENT_SHARES = [0.4, 0.25, 0.2, 0.12, 0.03];
const PARTITIONS = 4;
/** What values of a number may be: minutes of delay, of which a few are long. */
const CENTRES = Array.from({ length: 24 }, (_, index) => (index === 0 ? 0 : 1.45 ** index));
const TEXTS = ['AA', 'DL', 'UA', 'WN', 'B6', 'AS', 'NK', 'F9'];
const toBin = bucketOf(6);

/** What is done to an hour, on purpose. */
export type Plant =
  | { readonly kind: 'half-volume' }
  | { readonly kind: 'coverage'; readonly points: number; readonly segment: string | null }
  | { readonly kind: 'unit'; readonly segment: string }
  | { readonly kind: 'doubled-partition'; readonly partition: number }
  | { readonly kind: 'silence' };

export interface SimulatedHour {
  readonly plain: MonitorBucket[];
  /** Per plant. */
  readonly planted: MonitorBucket[][];
}

/** How noise goes on: AR(1) of heavy tails (Student's t of 3 degrees), of this standard deviation. */
class Noise {
  readonly #random: SeededRandom;
  readonly #deviation: number;
  #at = 0;

  constructor(random: SeededRandom, deviation: number) {
    this.#random = random;
    this.#deviation = deviation;
    this.#at = deviation * random.normal();
  }

  next(): number {
    const chi = this.#random.normal() ** 2 + this.#random.normal() ** 2 + this.#random.normal() ** 2;
    // t of 3 degrees has the variance 3.
    const t = this.#random.normal() / Math.sqrt(chi / 3) / Math.sqrt(3);
    this.#at = RHO * this.#at + Math.sqrt(1 - RHO * RHO) * this.#deviation * t;
    return this.#at;
  }
}
const RHO = 0.8;

/** One source's hours: daily and weekly seasons, holidays, noise of heavy tails that goes on; two fields, one with many nulls, in five segments. */
export class SimulatedView {
  readonly #random: SeededRandom;
  readonly #volume: Noise;
  readonly #coverage: Noise;
  readonly #tilt: Noise;
  readonly #mix: Noise;
  readonly #shares: readonly Noise[];
  readonly #holidays: ReadonlySet<number>;
  readonly #perHour: number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#perHour = 300 + 1500 * this.#random.uniform();
    this.#volume = new Noise(this.#random, 0.12);
    this.#coverage = new Noise(this.#random, 0.15);
    this.#tilt = new Noise(this.#random, 0.06);
    this.#mix = new Noise(this.#random, 0.08);
    this.#shares = SEGMENTS.map(() => new Noise(this.#random, 0.1));
    // Ten days of a year, anywhere.
    this.#holidays = new Set(Array.from({ length: 10 }, () => Math.floor(this.#random.uniform() * 365)));
  }

  /** The next hour's buckets, as they are and as each plant makes them. */
  hour(beginMs: number, plants: readonly Plant[] = []): SimulatedHour {
    const hour = Math.floor(beginMs / HOUR_MS) % 24;
    const day = Math.floor(beginMs / (24 * HOUR_MS));
    const isHoliday = this.#holidays.has(day % 365);
    const isWeekend = (day + 4) % 7 >= 5;
    const season = 0.15 + Math.max(0, Math.sin(((hour - 5) / 19) * Math.PI)) ** 0.7;
    const level =
      this.#perHour * season * (isWeekend ? 0.75 : 1) * (isHoliday ? 0.6 : 1) * Math.exp(this.#volume.next());
    const logit = 3.2 + 0.3 * Math.sin((hour / 12) * Math.PI) + this.#coverage.next();
    const covered = 1 / (1 + Math.exp(-logit));
    const tilt = 0.1 * Math.sin(((hour - 6) / 12) * Math.PI) + this.#tilt.next() + (isHoliday ? 0.1 : 0);
    const mix = this.#mix.next();
    const rows = SEGMENTS.map((name, index) => {
      const count = this.#poisson(level * SEGMENT_SHARES[index]! * Math.exp(this.#shares[index]!.next()));
      const nulls = this.#binomial(count, 1 - covered);
      const delays = this.#spread(
        count - nulls,
        weightsOf(CENTRES.length, (at) => -0.22 * at + tilt * (at / 4)),
      );
      const carriers = this.#spread(
        count,
        weightsOf(TEXTS.length, (at) => -0.35 * at + mix * (at % 3) + 0.2 * Math.sin(hour / 4 + at)),
      );
      return { name, count, nulls, delays, carriers };
    });
    const partitions = this.#spread(
      rows.reduce((sum, { count }) => sum + count, 0),
      weightsOf(PARTITIONS, () => 0),
    );
    const state = { rows, partitions };
    return {
      plain: bucketsOf(beginMs, state),
      planted: plants.map((plant) => bucketsOf(beginMs, this.#plant(state, plant))),
    };
  }

  #plant(state: HourState, plant: Plant): HourState {
    const thinned = (row: SegmentRow, share: number): SegmentRow => ({
      ...row,
      count: Math.round(row.count * share),
      nulls: Math.round(row.nulls * share),
      delays: row.delays.map((count) => Math.round(count * share)),
      carriers: row.carriers.map((count) => Math.round(count * share)),
    });
    switch (plant.kind) {
      case 'silence':
        return { rows: [], partitions: [] };
      case 'half-volume':
        return {
          rows: state.rows.map((row) => thinned(row, 0.5)),
          partitions: state.partitions.map((count) => Math.round(count * 0.5)),
        };
      case 'coverage':
        return {
          ...state,
          rows: state.rows.map((row) => {
            if (plant.segment !== null && plant.segment !== row.name) return row;
            const lost = Math.round(row.count * plant.points);
            const kept = row.count - row.nulls;
            const share = kept === 0 ? 0 : Math.max(0, kept - lost) / kept;
            const delays = row.delays.map((count) => Math.round(count * share));
            return { ...row, delays, nulls: row.count - delays.reduce((sum, count) => sum + count, 0) };
          }),
        };
      case 'unit':
        return {
          ...state,
          rows: state.rows.map((row) => (row.name === plant.segment ? { ...row, scale: 1 / 60 } : row)),
        };
      case 'doubled-partition': {
        const total = state.partitions.reduce((sum, count) => sum + count, 0);
        const share = 1 + (state.partitions[plant.partition] ?? 0) / Math.max(1, total);
        return {
          rows: state.rows.map((row) => thinned(row, share)),
          partitions: state.partitions.map((count, index) => (index === plant.partition ? 2 * count : count)),
        };
      }
    }
  }

  #spread(count: number, weights: readonly number[]): number[] {
    let left = count;
    let rest = 1;
    return weights.map((weight) => {
      const drawn = rest <= 1e-12 ? left : this.#binomial(left, Math.min(1, weight / rest));
      left -= drawn;
      rest -= weight;
      return drawn;
    });
  }

  #poisson(mean: number): number {
    if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.#random.normal()));
    const limit = Math.exp(-mean);
    let [product, count] = [this.#random.uniform(), 0];
    while (product > limit) {
      product *= this.#random.uniform();
      count++;
    }
    return count;
  }

  #binomial(n: number, p: number): number {
    if (n <= 0 || p <= 0) return 0;
    if (p >= 1) return n;
    const spread = n * p * (1 - p);
    if (spread > 25) return Math.min(n, Math.max(0, Math.round(n * p + Math.sqrt(spread) * this.#random.normal())));
    if (p < 0.1) return Math.min(n, this.#poisson(n * p));
    let hits = 0;
    for (let turn = 0; turn < n; turn++) if (this.#random.uniform() < p) hits++;
    return hits;
  }
}

interface SegmentRow {
  readonly name: string;
  readonly count: number;
  readonly nulls: number;
  readonly delays: readonly number[];
  readonly carriers: readonly number[];
  readonly scale?: number;
}

interface HourState {
  readonly rows: readonly SegmentRow[];
  readonly partitions: readonly number[];
}

function weightsOf(kinds: number, logWeight: (at: number) => number): number[] {
  const raw = Array.from({ length: kinds }, (_, at) => Math.exp(logWeight(at)));
  const total = raw.reduce((sum, each) => sum + each, 0);
  return raw.map((each) => each / total);
}

function bucketsOf(beginMs: number, { rows, partitions }: HourState): MonitorBucket[] {
  if (rows.length === 0) return [];
  const base = { grain: 'hour' as const, beginMs };
  const subject = (field: string | null, segment: MonitorSegment | null): MonitorSubject => ({
    place: 'source',
    object: 'flights',
    field,
    segment,
  });
  const records = { invalid: new Map(), leftOut: new Map(), lagSumMs: 0, found: null };
  const of = (segment: MonitorSegment | null, some: readonly SegmentRow[]): MonitorBucket[] => {
    const count = some.reduce((sum, row) => sum + row.count, 0);
    if (count === 0) return [];
    return [
      { ...base, ...subject(null, segment), count, values: null, records },
      { ...base, ...subject('delay', segment), count, values: numbersOf(some), records: null },
      { ...base, ...subject('carrier', segment), count, values: textsOf(some), records: null },
    ];
  };
  return [
    ...of(null, rows),
    ...rows.flatMap((row) => of({ name: 'origin', value: row.name }, [row])),
    ...partitions.map((count, index) => ({
      ...base,
      ...subject(null, { name: 'partition', value: `${index}` }),
      count,
      values: null,
      records,
    })),
  ];
}

function numbersOf(rows: readonly SegmentRow[]): ValueSummary {
  const bins = new Map<number, number>();
  let [sum, squares, zeros] = [0, 0, 0];
  for (const { delays, scale = 1 } of rows)
    for (const [at, count] of delays.entries()) {
      if (count === 0) continue;
      const value = CENTRES[at]! * scale;
      sum += count * value;
      squares += count * value * value;
      if (value === 0) zeros += count;
      const bin = toBin(value);
      bins.set(bin, (bins.get(bin) ?? 0) + count);
    }
  const nulls = rows.reduce((all, row) => all + row.nulls, 0);
  return { nulls, numbers: { sum, squares, zeros }, bins, top: null, distinct: null };
}

function textsOf(rows: readonly SegmentRow[]): ValueSummary {
  const counts = new Map<string, number>();
  for (const { carriers } of rows)
    for (const [at, count] of carriers.entries())
      if (count > 0) counts.set(TEXTS[at]!, (counts.get(TEXTS[at]!) ?? 0) + count);
  return { nulls: 0, numbers: null, bins: null, top: { counts, others: 0 }, distinct: null };
}
