import { Context } from '@temporalio/activity';
import type { Waiting } from '../engine/slice/wait-watch.ts';
import { ActivityGauges } from './activity-gauges.ts';
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

/** What an activity reports its progress to. */
export interface Pulse {
  readonly signal: AbortSignal;
  /** Takes the newest figures; they are sent by the timer. */
  report(figures: HeartbeatFigures): void;
}

/**
 * Runs `work` with a heartbeat every 2 s, so that Temporal knows within its timeout when this worker is gone, and people see
 * progress in the UI. `silentForMs`: stop beating when nothing was reported for that long, so that work that hangs is taken over.
 *
 * @example
 * return await withPulse({}, (pulse) => runBackfill({ …, signal: pulse.signal, onProgress: (p) => pulse.report({ rows: p.rows }) }));
 */
export async function withPulse<T>(
  { silentForMs }: { readonly silentForMs?: number | undefined },
  work: (pulse: Pulse) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  let figures: HeartbeatFigures = {};
  const gauges = new ActivityGauges(context);
  let reportedMs = performance.now();
  const beat = (): void => {
    if (silentForMs === undefined || performance.now() - reportedMs < silentForMs) context.heartbeat(figures);
  };
  beat();
  const timer = setInterval(beat, EVERY_MS);
  try {
    return await work({
      signal: context.cancellationSignal,
      report: (newest) => {
        figures = newest;
        gauges.show(newest);
        reportedMs = performance.now();
      },
    });
  } finally {
    clearInterval(timer);
    gauges.show({});
    context.heartbeat(figures);
  }
}
