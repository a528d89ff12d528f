import type { EntityCase, Evidence } from './entity-case.ts';
import type { EntityEvent } from './entity-events.ts';
import { StoredEvidence } from './evidence.ts';
import { type Enactment, enact, type Finding, placesOf } from './finding.ts';

/** Sets that explain the evidence equally well are held to all other evidence; more than this many are not. */
const MAX_RIVALS = 64;
/** Without a count of rows that tells how long a run is: up to so long, among so many events. */
const MAX_BLIND_RUN = 24;
const MAX_BLIND_EVENTS = 300;

/** Events of one tile of which any two may be missing. */
const MAX_PAIRED = 60;

type Fault = 'missing-record' | 'duplicated-record';

/** The one record that was not applied, or was applied twice; null where none explains the evidence. */
export function findSingleRecord(
  of: EntityCase,
  fault: Fault,
  evidence: Evidence,
  context: readonly Evidence[],
): Finding | null {
  const candidates = of.upTo(evidence.seq).filter((event) => evidence.concerns(event));
  return choose(of, fault, hits(of, fault, evidence, candidates.map(alone)), context);
}

/** Several records that were not applied, or were applied twice: a run of a partition, a commit or the last ones, the fewest that explain it. */
export function findSeveralRecords(
  of: EntityCase,
  fault: Fault,
  evidence: Evidence,
  context: readonly Evidence[],
): Finding | null {
  const events = of.upTo(evidence.seq).filter((event) => evidence.touches(event));
  const run = runs(of, fault, evidence, events);
  if (run.length > 0) return choose(of, fault, run, context);
  const commits = hits(of, fault, evidence, byCommit(events));
  if (commits.length > 0) return choose(of, fault, commits, context);
  if (fault === 'missing-record') {
    const stale = lastCommits(of, evidence);
    if (stale !== null) return choose(of, fault, [stale], context);
  }
  return null;
}

/**
 * Records left out here and there: tile by tile of the finest hop, the fewest whose absence gives the tile as it is, one or two each; null
 * where that does not come to the whole state.
 */
export function findScatteredRecords(of: EntityCase, evidence: Evidence): Finding | null {
  if (!(evidence instanceof StoredEvidence)) return null;
  const { groups } = of.reducer.layout;
  const finest = evidence.differences.find(({ group }) => groups[group]!.hopUs !== null);
  if (finest === undefined) return null;
  const { group, tiles } = finest;
  const received = of.inspector.groups(evidence.received)[group]!.tiles;
  const partialsOf = (events: readonly EntityEvent[]): string | undefined =>
    events.length === 0 ? undefined : of.inspector.groups(of.stateOf(events))[group]!.tiles[0]?.partials.join('|');
  const leftOut: EntityEvent[] = [];
  for (const index of tiles.keys()) {
    const inTile = of.upTo(evidence.seq).filter((event) => evidence.tileOf(event, group) === index);
    const wanted = received.find((tile) => tile.index === index)?.partials.join('|');
    const fits = (set: readonly EntityEvent[]): boolean =>
      !of.budget.isSpent && partialsOf(inTile.filter((event) => !set.includes(event))) === wanted;
    const set = wanted === undefined ? inTile : smallSets(inTile).find(fits);
    if (set === undefined || set.length === 0) return null;
    leftOut.push(...set);
  }
  const enactment: Enactment = { leftOut: new Set(leftOut) };
  if (enact(of, enactment, [evidence]).length === 0) return null;
  return {
    cause: 'missing-record',
    detail: `${placesOf(leftOut)} ${leftOut.length === 1 ? 'was' : 'were'} not applied`,
    records: leftOut,
    enactment,
  };
}

/** Each event alone; where there are not too many, each two. */
function smallSets(events: readonly EntityEvent[]): EntityEvent[][] {
  const sets = events.map(alone);
  if (events.length > MAX_PAIRED) return sets;
  return [...sets, ...events.flatMap((a, at) => events.slice(at + 1).map((b) => [a, b]))];
}

function alone(event: EntityEvent): EntityEvent[] {
  return [event];
}

function byCommit(events: readonly EntityEvent[]): EntityEvent[][] {
  const commits = new Map<number, EntityEvent[]>();
  for (const event of events) {
    if (event.seq === 0) continue;
    const commit = commits.get(event.seq);
    if (commit === undefined) commits.set(event.seq, [event]);
    else commit.push(event);
  }
  return [...commits.values()];
}

/** Which of the disjoint sets explain the evidence. */
function hits(of: EntityCase, fault: Fault, evidence: Evidence, sets: readonly EntityEvent[][]): EntityEvent[][] {
  const found: EntityEvent[][] = [];
  const events = of.upTo(evidence.seq);
  if (fault === 'missing-record') {
    const inSets = new Set(sets.flat());
    of.eachWithout(
      events.filter((event) => !inSets.has(event)),
      sets,
      (index, state) => {
        if (evidence.matches(state)) found.push(sets[index]!);
      },
    );
    return found;
  }
  const base = of.stateOf(events);
  for (const set of sets) {
    if (of.budget.isSpent) break;
    if (evidence.matches(of.apply(of.copy(base), set))) found.push(set);
  }
  return found;
}

/** The shortest runs of one partition's events, at least two, that explain the evidence. */
function runs(of: EntityCase, fault: Fault, evidence: Evidence, events: readonly EntityEvent[]): EntityEvent[][] {
  const partitions = new Map<number, EntityEvent[]>();
  for (const event of events) {
    const list = partitions.get(event.partition);
    if (list === undefined) partitions.set(event.partition, [event]);
    else list.push(event);
  }
  for (const list of partitions.values()) list.sort((a, b) => a.offset - b.offset);
  const rows = evidence.missingRows;
  const known = rows === null ? null : fault === 'missing-record' ? rows : -rows;
  if (known !== null && known < 2) return [];
  if (known === null && events.length > MAX_BLIND_EVENTS) return [];
  const lengths = known !== null ? [known] : Array.from({ length: MAX_BLIND_RUN - 1 }, (_, index) => index + 2);
  for (const length of lengths) {
    const found: EntityEvent[][] = [];
    for (const list of partitions.values()) {
      // Runs that begin a run's length apart do not overlap, and so are tried together.
      for (let shift = 0; shift < length; shift++) {
        const sets: EntityEvent[][] = [];
        for (let from = shift; from + length <= list.length; from += length) sets.push(list.slice(from, from + length));
        if (sets.length > 0) found.push(...hits(of, fault, evidence, sets));
      }
    }
    if (found.length > 0 || of.budget.isSpent) return found;
  }
  return [];
}

/** The events of the last commits, where the evidence is what stood before them. */
function lastCommits(of: EntityCase, evidence: Evidence): EntityEvent[] | null {
  const events = of.upTo(evidence.seq);
  const state = of.reducer.empty();
  let stale: number | null = events.length > 0 && evidence.matches(state) ? 0 : null;
  for (let at = 0; at < events.length && !of.budget.isSpent; at++) {
    of.apply(state, [events[at]!]);
    const isLast = at + 1 === events.length || events[at + 1]!.seq !== events[at]!.seq;
    if (isLast && at + 1 < events.length && evidence.matches(state)) stale = at + 1;
  }
  return stale === null ? null : events.slice(stale);
}

/** Of sets that explain the evidence equally: the one that fits most of all that was seen of the entity, the last one among equals. */
function choose(
  of: EntityCase,
  fault: Fault,
  sets: readonly EntityEvent[][],
  context: readonly Evidence[],
): Finding | null {
  const enactmentOf = (set: readonly EntityEvent[]): Enactment =>
    fault === 'missing-record' ? { leftOut: new Set(set) } : { twice: new Set(set) };
  let best: { set: EntityEvent[]; fits: number } | null = null;
  let rivals = 0;
  for (const set of sets.slice(-MAX_RIVALS)) {
    const fits = sets.length === 1 ? 0 : enact(of, enactmentOf(set), context).length;
    if (best === null || fits > best.fits) {
      best = { set, fits };
      rivals = 1;
    } else if (fits === best.fits) {
      best = { set, fits };
      rivals++;
    }
  }
  if (best === null) return null;
  const { set } = best;
  const what = fault === 'missing-record' ? 'not applied' : 'applied twice';
  const were = set.length === 1 ? 'was' : 'were';
  return {
    cause: fault,
    detail:
      `${placesOf(set)} ${were} ${what}` +
      (rivals > 1 ? `; what was seen would be the same for ${rivals - 1} others` : ''),
    records: set,
    enactment: enactmentOf(set),
  };
}
