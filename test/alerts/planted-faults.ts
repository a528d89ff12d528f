import { HOUR_MS, type Plant, type SimulatedHour, SimulatedView, WEEK_MS } from './simulated-view.ts';
import { WatchedSeries } from './watched-series.ts';

/** Of each view: what it learns in, and what counts. `LAW_RUNS=50` are 500 view-weeks. */
const LEARNT_WEEKS = 8;
export const WEEKS = 10;
const START_MS = Math.ceil(Date.parse('2026-01-05T00:00:00Z') / WEEK_MS) * WEEK_MS;
/** Planted faults go on for so many hours: those of distributions need two. */
const PLANTED_HOURS = 3;
const PLANTED_EVERY = 37;

export interface Planted {
  readonly name: string;
  readonly plant: Plant;
  readonly field: string | null;
  readonly segment: string | null;
  /** Least share of them that is found within three hours, and at once. */
  readonly within: number;
  readonly atOnce: number;
}

/** How many of a planted fault were tried, found in its first hour, within three, and in the right segment. */
export interface Found {
  tried: number;
  atOnce: number;
  within: number;
  right: number;
}

export const PLANTS: readonly Planted[] = [
  { name: 'half the volume', plant: { kind: 'half-volume' }, field: null, segment: null, within: 0.2, atOnce: 0.05 },
  {
    name: '10 points of coverage',
    plant: { kind: 'coverage', points: 0.1, segment: null },
    field: 'delay',
    segment: null,
    within: 0.7,
    atOnce: 0.5,
  },
  {
    name: '10 points of coverage in one segment',
    plant: { kind: 'coverage', points: 0.1, segment: 'ORD' },
    field: 'delay',
    segment: 'ORD',
    within: 0.08,
    atOnce: 0.03,
  },
  {
    name: 'null in one segment',
    plant: { kind: 'coverage', points: 1, segment: 'ATL' },
    field: 'delay',
    segment: 'ATL',
    within: 0.95,
    atOnce: 0.95,
  },
  {
    name: 'minutes turned hours in one segment',
    plant: { kind: 'unit', segment: 'DFW' },
    field: 'delay',
    segment: 'DFW',
    within: 0.6,
    atOnce: 0,
  },
  {
    name: 'a doubled partition',
    plant: { kind: 'doubled-partition', partition: 2 },
    field: null,
    segment: '2',
    within: 0.6,
    atOnce: 0.3,
  },
  { name: 'silence', plant: { kind: 'silence' }, field: null, segment: null, within: 1, atOnce: 1 },
];

/** What opened although nothing was planted, by field and kind. */
export function watchView(seed: number, found: readonly Found[]): string[] {
  const view = new SimulatedView(seed);
  const watched = new WatchedSeries();
  const plants = PLANTS.map(({ plant }) => plant);
  const opened: string[] = [];
  const ahead: SimulatedHour[] = [];
  for (let hour = 0; hour < (LEARNT_WEEKS + WEEKS) * 168; hour++) {
    const beginMs = START_MS + hour * HOUR_MS;
    const isWatched = hour >= LEARNT_WEEKS * 168;
    const isPlanted = isWatched && hour % PLANTED_EVERY === 0;
    while (ahead.length < (isPlanted ? PLANTED_HOURS : 1))
      ahead.push(view.hour(beginMs + ahead.length * HOUR_MS, isPlanted ? plants : []));
    if (isPlanted)
      for (const [index, planted] of PLANTS.entries()) tryPlant(watched, beginMs, ahead, index, planted, found[index]!);
    for (const { alert, change } of watched.next(beginMs, ahead.shift()!.plain, isWatched))
      if (change === 'opened') opened.push(`${alert.root.field ?? 'records'} ${alert.kind}`);
  }
  return opened;
}

function tryPlant(
  watched: WatchedSeries,
  beginMs: number,
  ahead: readonly SimulatedHour[],
  index: number,
  { field, segment }: Planted,
  found: Found,
): void {
  const branch = watched.branch();
  const count =
    ahead[0]!.plain.find((each) => each.field === field && (each.segment?.value ?? null) === segment)?.count ?? 0;
  // Of fewer the day is asked.
  if (count < 30) return;
  found.tried++;
  for (let hour = 0; hour < PLANTED_HOURS; hour++) {
    const at = beginMs + hour * HOUR_MS;
    const looked = branch.look(at, ahead[hour]!.planted[index] ?? ahead[hour]!.plain);
    branch.keep(at, ahead[hour]!.plain, looked);
    const hit = looked.causes.find(({ root }) => root.field === field);
    if (hit === undefined) continue;
    found.within++;
    if (hour === 0) found.atOnce++;
    if ((hit.root.segment?.value ?? null) === segment) found.right++;
    return;
  }
}
