import { Context } from '@temporalio/activity';
import type { Waiting } from '../engine/slice/wait-watch.ts';
import { ActivityGauges } from './activity-gauges.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { bounded } from '../workflows/bounded.ts';

const EVERY_MS = 2_000;

/** A figure of a heartbeat: small, for people. */
export type HeartbeatFigures = Readonly<Record<string, string | number | null>>;

/** What a run waits for, as figures: its message, and since when. */
export function waitingFigures(waitingFor: string | undefined, waiting: Waiting | null | undefined): HeartbeatFigures {
  if (waitingFor === undefined) return {};
  const since = waiting == null ? null : new Date(waiting.sinceMs).toISOString();
  return { waitingFor: bounded(waitingFor), ...(since === null ? {} : { waitingSince: since }) };
}

/** What a run waits for, as a history has room for. */
export function boundedWaiting(waiting: Waiting | null): Waiting | null {
  return waiting === null ? null : { ...waiting, message: bounded(waiting.message) };
}

/** That an activity waits for memory that others have: it has not begun, or its read does not go on. */
function waitingForMemory(text: string): HeartbeatFigures {
  return { phase: 'waiting', waitingFor: bounded(text), waitingSince: new Date().toISOString() };
}

/** Puts the figures of work that may wait for memory together. */
export interface MemoryWait {
  /** What it waits for; null: it goes on. */
  readonly onWait: (text: string | null) => void;
  /** Its figures; while it waits, with that. */
  readonly report: (figures: HeartbeatFigures) => void;
}

/** Reports to a pulse what work does, and what it waits for for as long as it does. */
export function memoryWait(pulse: Pick<Pulse, 'report'>): MemoryWait {
  let waiting: HeartbeatFigures = {};
  let newest: HeartbeatFigures = {};
  const show = (): void => pulse.report({ ...newest, ...waiting });
  return {
    onWait: (text) => {
      waiting = text === null ? {} : waitingForMemory(text);
      show();
    },
    report: (figures) => {
      newest = figures;
      show();
    },
  };
}

/** What an activity reports its progress to. */
export interface Pulse {
  readonly signal: AbortSignal;
  /**
   * Takes the newest figures; they are sent by the timer.
   *
   * @param turns how often the work's loop has come round, where its figures may rightly stay as they are
   */
  report(figures: HeartbeatFigures, turns?: number): void;
}

/**
 * How long a backfill, proof, audit or export may show the same figures. Its longest steps without any (an index over hundreds of millions of
 * entities, one sort) take minutes.
 */
export const STILL_FOR_MS = 3_600_000;

/**
 * How long the loop of a slice may not come round. It does so every few seconds, whatever it waits for; its longest steps (loading ids at a claim,
 * a batch that waits for memory) take minutes.
 */
export const SLICE_STILL_FOR_MS = 1_200_000;

/** Figures that change while nothing moves. */
const NO_PROGRESS: ReadonlySet<string> = new Set(['rate']);

function movesWith(figures: HeartbeatFigures): string {
  return JSON.stringify(Object.entries(figures).filter(([name]) => !NO_PROGRESS.has(name)));
}

function noProgress(figures: HeartbeatFigures, stillForMs: number): MillraceError {
  return new MillraceError(
    'no-progress',
    `nothing moved for ${Math.round(stillForMs / 60_000)} minutes; the last figures: ${bounded(JSON.stringify(figures))}`,
    {
      remedy:
        'It is begun again. Where it stops at the same place, look at what the database and the disks of this worker do.',
      retryable: true,
      httpStatus: 500,
    },
  );
}

/**
 * Runs `work` with a heartbeat every 2 s, so that Temporal knows within its timeout when this worker is gone, and people see
 * progress in the UI. `silentForMs`: stop beating when nothing was reported for that long, so that work that hangs is taken over.
 * `stillForMs`: give work up whose figures have not changed for that long: a promise that never settles would beat on for a day. Its signal is
 * aborted, it is not waited for any longer, and the error is `no-progress` (retryable).
 *
 * @example
 * return await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) => runBackfill({ …, signal: pulse.signal, onProgress: (p) => pulse.report({ rows: p.rows }) }));
 */
export async function withPulse<T>(
  { silentForMs, stillForMs }: { readonly silentForMs?: number | undefined; readonly stillForMs?: number | undefined },
  work: (pulse: Pulse) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  let figures: HeartbeatFigures = {};
  const gauges = new ActivityGauges(context);
  let reportedMs = performance.now();
  let moved = movesWith(figures);
  let movedMs = reportedMs;
  const given = new AbortController();
  const still = Promise.withResolvers<never>();
  const beat = (): void => {
    // Whom it waits for is watched for itself.
    if (figures['phase'] === 'waiting') movedMs = performance.now();
    if (stillForMs !== undefined && performance.now() - movedMs >= stillForMs) {
      const error = noProgress(figures, stillForMs);
      given.abort(error);
      still.reject(error);
      return;
    }
    if (silentForMs === undefined || performance.now() - reportedMs < silentForMs) context.heartbeat(figures);
  };
  beat();
  const timer = setInterval(beat, EVERY_MS);
  try {
    const working = work({
      signal: AbortSignal.any([context.cancellationSignal, given.signal]),
      report: (newest, turns = 0) => {
        figures = newest;
        gauges.show(newest);
        reportedMs = performance.now();
        const now = `${movesWith(newest)} ${turns}`;
        if (now !== moved) movedMs = reportedMs;
        moved = now;
      },
    });
    return await Promise.race([working, still.promise]);
  } finally {
    clearInterval(timer);
    gauges.show({});
    context.heartbeat(figures);
  }
}
