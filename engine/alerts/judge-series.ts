import type { MonitorPlace } from '../monitors/monitor-bucket.ts';
import { chiSquareTail } from '../statistics/chi-square.ts';
import { medianOf, robustSpread } from '../statistics/robust-spread.ts';
import { studentTails } from '../statistics/student.ts';
import { type Distance, type Figures, STATISTICS, type Statistic } from './figures.ts';
import { THRESHOLDS } from './thresholds.ts';

/** The median of χ² of one degree of freedom. */
const MEDIAN = 0.454936423119572;
const LEAST_REMEMBERED = 24;

/** What is remembered of a series beside its weeks. */
export interface SeriesMemory {
  /** Newest last: the square of how far from the usual each statistic was, on the scale it is judged on, less what its sample alone brings. */
  readonly squares: Readonly<Partial<Record<Statistic, readonly number[]>>>;
  /** Since which bucket, and up to which, a statistic has been out of the usual. */
  readonly out: Readonly<Partial<Record<Statistic, { readonly sinceMs: number; readonly lastMs: number }>>>;
}

export const NO_MEMORY: SeriesMemory = { squares: {}, out: {} };

/** What one statistic of a bucket is against its past. */
export interface Judgement {
  readonly statistic: Statistic;
  readonly value: number;
  /** The median of the same hours. */
  readonly usual: number;
  /** How many spreads it is from there, with its sign; of a young series by its χ² bound. */
  readonly score: number;
  /** Of at least as much, were nothing wrong. */
  readonly chance: number;
  /** Large enough to matter, and to the side that does. */
  readonly matters: boolean;
  /** How many weeks told what is usual. */
  readonly weeks: number;
  /** Records or values that it is of. */
  readonly count: number;
  /** How many times as many there were as usual. */
  readonly times: number;
}

/** A bucket of a series, and what it is held to. */
export interface SeriesNow {
  readonly place: MonitorPlace;
  readonly isWhole: boolean;
  /** Records of the whole; of shares. */
  readonly wholeCount: number;
  readonly figures: Figures;
  readonly distance: Distance | null;
  /** The same hour of the weeks before. */
  readonly past: readonly Figures[];
  readonly memory: SeriesMemory;
}

/** Of each statistic that can be judged what it is, and what each was from its usual, to be remembered. */
export interface SeriesJudged {
  readonly judgements: readonly Judgement[];
  readonly squares: SeriesMemory['squares'];
}

/**
 * Holds a bucket to the same hours of earlier weeks: per statistic its distance from their median in spreads, the spread being the greatest of theirs, of
 * what the series' last week left (eight numbers alone tell little), and of what a sample of this size must have.
 */
export function judgeSeries(now: SeriesNow): SeriesJudged {
  const judgements: Judgement[] = [];
  const squares: Partial<Record<Statistic, readonly number[]>> = { ...now.memory.squares };
  for (const statistic of STATISTICS) {
    const value = now.figures.values[statistic];
    if (value === undefined || (statistic === 'volume' && !now.isWhole)) continue;
    const past = now.past.flatMap(({ values }) => values[statistic] ?? []);
    const broken = brokenStates(now, statistic, value, past);
    if (broken !== null) judgements.push(broken);
    if (broken !== null || past.length === 0) continue;
    const scaled = past.map((each) => onScale(statistic, each, now.wholeCount));
    const { middle, spread } = robustSpread(scaled);
    const off = onScale(statistic, value, now.wholeCount) - middle;
    const usual = offScale(statistic, middle);
    const count = recordsOf(now, statistic, usual);
    const noise = noiseOf(now, statistic, usual, count);
    const remembered = now.memory.squares[statistic] ?? [];
    if (count >= THRESHOLDS.leastRecords)
      squares[statistic] = [...remembered, short(off * off - MEDIAN * noise * noise)].slice(-THRESHOLDS.remembered);
    const held = { value, usual, off, spread, noise, count, remembered, weeks: past.length };
    const judged = judge(now, statistic, held);
    if (judged !== null) judgements.push(judged);
  }
  return { judgements, squares };
}

/**
 * What no store and no answer usually has needs no statistics, no past and no least number: a state that is not what was written is one too many. Else null.
 */
function brokenStates(now: SeriesNow, statistic: Statistic, value: number, past: readonly number[]): Judgement | null {
  if (statistic !== 'invalid' || now.place === 'source' || value === 0) return null;
  if (past.length > 0 && medianOf(past) > 0) return null;
  const count = recordsOf(now, statistic, 0);
  const score = value * count * 10;
  return { statistic, value, usual: 0, score, chance: 0, matters: true, weeks: past.length, count, times: 1 };
}

interface Held {
  readonly value: number;
  readonly usual: number;
  readonly off: number;
  readonly spread: number;
  readonly noise: number;
  readonly count: number;
  readonly remembered: readonly number[];
  readonly weeks: number;
}

function judge(now: SeriesNow, statistic: Statistic, held: Held): Judgement | null {
  const { count, noise } = held;
  if (count < THRESHOLDS.leastRecords) return null;
  const usually = medianOf(now.past.map((each) => each.count));
  const times = (now.figures.count + 1) / (usually + 1);
  const told = { statistic, value: held.value, usual: held.usual, weeks: held.weeks, count, times };
  const beyond = statistic === 'distance' ? beyondNoise(now.distance, held) : held.off;
  if (held.weeks >= THRESHOLDS.leastWeeks) {
    const { spread, tails } = moderated(held);
    const score = spread === 0 ? (beyond === 0 ? 0 : Math.sign(beyond) * 1e9) : beyond / spread;
    const matters = isLarge(now, statistic, { ...held, spread });
    return { ...told, score, chance: studentTails(score, tails), matters };
  }
  if (!now.isWhole || noise === 0) return null;
  const young = youngStatistic(now, statistic, beyond / (noise * Math.sqrt(1 + 1 / held.weeks)));
  if (young === null) return null;
  const statisticPart = young.statistic / THRESHOLDS.young;
  return {
    ...told,
    score: Math.sign(beyond) * Math.sqrt(statisticPart),
    chance: chiSquareTail(statisticPart, young.freedom),
    matters: isLarge(now, statistic, { ...held, spread: noise }),
  };
}

function youngStatistic(
  { distance }: SeriesNow,
  statistic: Statistic,
  score: number,
): { readonly statistic: number; readonly freedom: number } | null {
  if (statistic === 'lag') return null;
  if (statistic !== 'distance') return { statistic: score * score, freedom: 1 };
  return distance === null || distance.freedom === 0 ? null : { statistic: distance.g, freedom: distance.freedom };
}

/** With as many digits as it is worth: a series has a thousand of them. */
function short(value: number): number {
  return Number(value.toPrecision(5));
}

/**
 * The spread of these hours, moderated by that of the whole series (Smyth 2004): eight numbers alone are as often far too near to each other as too far.
 * How much the series varies beside what samples bring: of a normal distribution the median of squares is MEDIAN of the variance.
 */
function moderated({ spread, noise, remembered }: Held): { readonly spread: number; readonly tails: number } {
  const { hourTails, seriesTails } = THRESHOLDS;
  if (remembered.length < LEAST_REMEMBERED) return { spread: Math.max(spread, noise), tails: hourTails };
  const variance = Math.max(0, medianOf(remembered)) / MEDIAN + noise * noise;
  const both = (seriesTails * variance + hourTails * spread * spread) / (seriesTails + hourTails);
  return { spread: Math.max(noise, Math.sqrt(both)), tails: seriesTails + hourTails };
}

/** Volumes, shares and lags are judged by how many times as much they are. */
function onScale(statistic: Statistic, value: number, whole: number): number {
  if (statistic === 'volume') return Math.log(value + 1);
  // Against the rest: half a record more of both, so that none and all have a place.
  if (statistic === 'share') return Math.log((value * whole + 0.5) / ((1 - value) * whole + 0.5));
  // A record may be a little ahead of its broker.
  if (statistic === 'lag') return Math.log(Math.max(0, value) + 60_000);
  return value;
}

function offScale(statistic: Statistic, scaled: number): number {
  if (statistic === 'volume') return Math.exp(scaled) - 1;
  if (statistic === 'share') return 1 / (1 + Math.exp(-scaled));
  if (statistic === 'lag') return Math.exp(scaled) - 60_000;
  return scaled;
}

/** How many records or values tell it; of a volume the usual ones too, since none at all tells most. */
function recordsOf({ place, figures, distance, wholeCount }: SeriesNow, statistic: Statistic, usual: number): number {
  switch (statistic) {
    case 'volume':
      return Math.max(figures.count, usual);
    case 'share':
      return Math.max(figures.count, usual * wholeCount);
    case 'invalid':
    case 'left-out': {
      if (place === 'view') return figures.count;
      const share = figures.values[statistic] ?? 0;
      return share >= 1 ? Number.MAX_SAFE_INTEGER : Math.round(figures.count / (1 - share));
    }
    case 'mean':
      return figures.numbers?.count ?? 0;
    case 'distance':
      return Math.min(distance?.values ?? 0, distance?.referenceValues ?? 0);
    case 'found':
    case 'kept':
    case 'lag':
    case 'coverage':
      return figures.count;
  }
}

/** The deviation that a sample of this size must have, on the scale; 0 where that is not known. */
function noiseOf(
  { figures, past, distance, wholeCount }: SeriesNow,
  statistic: Statistic,
  usual: number,
  count: number,
): number {
  switch (statistic) {
    case 'volume':
      return 1 / Math.sqrt(Math.max(0, usual) + 1);
    case 'share':
      return Math.sqrt(1 / (usual * wholeCount + 1) + 1 / ((1 - usual) * wholeCount + 1));
    case 'invalid':
    case 'left-out':
    case 'found':
    case 'kept':
    case 'coverage': {
      const share = (Math.min(1, Math.max(0, usual)) * count + 0.5) / (count + 1);
      return Math.sqrt((share * (1 - share)) / count);
    }
    case 'mean':
      return usualDeviation(past) / Math.sqrt(Math.max(1, figures.numbers?.count ?? 1));
    case 'distance': {
      const freedom = Math.max(1, distance?.freedom ?? 1);
      return distanceNoise(distance) / Math.sqrt(2 * freedom);
    }
    case 'lag':
      return 0;
  }
}

/** The distance of two samples of one distribution, in bits: √((kinds − 1)(1/N + 1/M) / (8 ln 2)). */
function distanceNoise(distance: Distance | null): number {
  if (distance === null) return 0;
  return Math.sqrt((distance.freedom * (1 / distance.values + 1 / distance.referenceValues)) / (8 * Math.LN2));
}

/** Fewer values than usual are farther away by themselves. */
function beyondNoise(distance: Distance | null, { value, usual }: Held): number {
  return value - Math.max(usual, distanceNoise(distance));
}

function usualDeviation(past: readonly Figures[]): number {
  const known = past.flatMap(({ numbers }) => (numbers === null ? [] : [numbers.deviation]));
  return known.length === 0 ? 0 : medianOf(known);
}

function isLarge(now: SeriesNow, statistic: Statistic, { value, usual, off, spread }: Held): boolean {
  const { points } = THRESHOLDS;
  switch (statistic) {
    case 'volume':
    case 'share':
      // Twice as many, give or take what the series itself varies.
      return Math.abs(off) >= Math.log(THRESHOLDS.times) - Math.min(THRESHOLDS.timesSlack, 2 * spread);
    case 'invalid': {
      const records = (now.figures.count * value) / Math.max(1e-9, 1 - value);
      return value - usual >= THRESHOLDS.invalidPoints && records >= THRESHOLDS.invalidRecords;
    }
    case 'left-out':
      return value - usual >= points;
    case 'found':
    case 'coverage':
      return usual - value >= points;
    case 'kept':
      return Math.abs(value - usual) >= points;
    case 'lag':
      return value - usual >= THRESHOLDS.lagMoreMs && value >= THRESHOLDS.lagTimes * usual;
    case 'mean':
      return Math.abs(value - usual) >= THRESHOLDS.shift * usualDeviation(now.past) && value !== usual;
    case 'distance':
      return beyondNoise(now.distance, { usual, value } as Held) >= THRESHOLDS.distance;
  }
}
