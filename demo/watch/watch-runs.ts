import { ensureMigrated } from '../../engine/postgres/migrate.ts';
import { cloneDatabase } from './clone-database.ts';
import type { SentDeparture } from './departures.ts';
import { CHANGED_AIRPORT, DAY_MS, HOUR_MS, WEEK_MS, type WatchFault } from './watch-faults.ts';
import { knowableMs, LATENESS_MS, type SeenAlert } from './watch-verdict.ts';
import { type WatchWorkspace, writeDefinitions } from './watch-workspace.ts';
import { SOURCE, type WatchPlaces, WatchedInstallation } from './watched-installation.ts';

/** So many days are archived at once where nobody looks: fewer than hours are kept for. */
const STRETCH_MS = 7 * DAY_MS;
/** From so long before the week on buckets are evaluated: as long as they are remembered, and a week more. */
const LEARNT_MS = 9 * 7 * DAY_MS;

export interface WatchContext {
  readonly places: WatchPlaces;
  readonly workspace: WatchWorkspace;
  /** Since when there are records, UTC epoch ms. */
  readonly sinceMs: number;
  /** How long the week is replayed. */
  readonly lastsMs: number;
  /** Told of each step. */
  readonly onStep: (text: string) => void;
}

/** Puts everything before the week on a topic, archives it and computes its monitors, once for all runs. */
export async function learnPast({ places, workspace, sinceMs, onStep }: WatchContext): Promise<void> {
  await ensureMigrated(places.databaseUrl);
  const featuresDir = await writeDefinitions(workspace, 'past', { topic: SOURCE, hasHistory: false });
  const past = await WatchedInstallation.open(places, featuresDir, sinceMs);
  try {
    for (let fromMs = sinceMs; fromMs < WEEK_MS; fromMs += STRETCH_MS) {
      const untilMs = Math.min(WEEK_MS, fromMs + STRETCH_MS);
      await past.step(untilMs, await workspace.departures(fromMs, untilMs));
      onStep(`monitors of ${new Date(fromMs).toISOString().slice(0, 10)}`);
      if (untilMs >= WEEK_MS - LEARNT_MS) await past.evaluate();
    }
  } finally {
    await past.close();
  }
}

/** Replays the week with one fault in it, or none, into a topic of its own, over what is known of the past; returns the alerts. */
export async function replayWeek(
  { places, workspace, lastsMs, onStep }: WatchContext,
  fault: WatchFault | null,
): Promise<SeenAlert[]> {
  const name = fault?.name ?? 'none';
  const databaseUrl = await cloneDatabase(places.databaseUrl, name.replaceAll('-', '_'));
  const topic = `${SOURCE}.${name}`;
  const featuresDir = await writeDefinitions(workspace, name, { topic, hasHistory: true });
  const run = await WatchedInstallation.open({ ...places, databaseUrl }, featuresDir, WEEK_MS);
  try {
    const untilMs = WEEK_MS + lastsMs;
    const departed = await workspace.departures(WEEK_MS, untilMs);
    const timeline = new SentTimeline(fault === null ? departed : fault.plant(departed));
    if (fault?.also === 'changes-row') await run.build();
    let isChanged = false;
    for (const atMs of stepsOf(fault, untilMs)) {
      await run.step(atMs, timeline.before(atMs));
      if (fault?.also === 'changes-row' && !isChanged && atMs >= knowableMs(fault)) {
        await run.changeRow(CHANGED_AIRPORT);
        isChanged = true;
      }
      await run.look();
      await run.evaluate();
      onStep(`${name} · ${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')}`);
    }
    return await run.alerts();
  } finally {
    await run.close();
  }
}

/**
 * When it is looked. What was said of an hour is a function of its records: only where they may come late, and around the fault, it matters that each hour is looked at
 * as it closes; else a day is looked at at once.
 */
export function stepsOf(fault: Pick<WatchFault, 'fromMs'> | null, untilMs: number): number[] {
  const steps: number[] = [];
  for (let atMs = WEEK_MS + HOUR_MS; atMs <= untilMs; atMs += HOUR_MS) {
    const isNear = fault !== null && atMs > fault.fromMs - HOUR_MS && atMs <= fault.fromMs + NEAR_MS;
    if (isNear || (atMs - WEEK_MS) % DAY_MS === 0) steps.push(atMs + LATENESS_MS);
  }
  return steps;
}
const NEAR_MS = 6 * HOUR_MS;

/** Takes what is sent before a time and was not taken before. */
class SentTimeline {
  readonly #sent: readonly SentDeparture[];
  #next = 0;

  constructor(sent: readonly SentDeparture[]) {
    this.#sent = sent.toSorted((a, b) => a.sentMs - b.sentMs);
  }

  before(untilMs: number): readonly SentDeparture[] {
    const from = this.#next;
    while (this.#next < this.#sent.length && this.#sent[this.#next]!.sentMs < untilMs) this.#next += 1;
    return this.#sent.slice(from, this.#next);
  }
}
