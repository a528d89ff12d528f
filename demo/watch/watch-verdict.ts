import type { MonitorSegment, MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';
import { HOUR_MS, type WatchFault } from './watch-faults.ts';

/** So long after its hour a bucket closes: records may be that late. */
export const LATENESS_MS = 5 * 60_000;
/** A fault is found in time within so much of event time of when it could first be known. */
export const IN_TIME_MINUTES = 60;

/** What the demo looks at of an alert. */
export interface SeenAlert {
  readonly id: string;
  readonly place: string;
  readonly root: MonitorSubject;
  /** Monitor time, UTC epoch ms. */
  readonly openedAtMs: number;
  readonly sinceMs: number;
  readonly text: string;
}

/** What became of a fault; the first five fields are those of `--json`. */
export interface FaultVerdict {
  readonly name: string;
  /** In time, too. */
  readonly found: boolean;
  /** From when it could first be known to the alert; null: there is none. */
  readonly delayMinutes: number | null;
  readonly placeRight: boolean;
  readonly segmentRight: boolean;
  readonly fieldRight: boolean;
  readonly alert: SeenAlert | null;
  /** Alerts of the run that are not of the fault. */
  readonly falseAlerts: readonly SeenAlert[];
}

/** When the first bucket closes that is wholly of the fault. */
export function knowableMs({ fromMs }: Pick<WatchFault, 'fromMs'>): number {
  return Math.ceil(fromMs / HOUR_MS) * HOUR_MS + HOUR_MS + LATENESS_MS;
}

/**
 * Holds the alerts of a run to what was planted in it: of those since its hour the one that names it best, and of equals the first, is the fault's;
 * all others are false.
 */
export function verdictOf(fault: WatchFault, alerts: readonly SeenAlert[]): FaultVerdict {
  const { truth } = fault;
  const firstBucketMs = Math.floor(fault.fromMs / HOUR_MS) * HOUR_MS;
  const isField = ({ root }: SeenAlert): boolean =>
    root.object === truth.object && (truth.fields.length === 0 || truth.fields.includes(root.field));
  const isSegment = ({ root }: SeenAlert): boolean => sameSegment(root.segment, truth.segment);
  const isPlace = ({ place }: SeenAlert): boolean => place === truth.place;
  const points = (alert: SeenAlert): number =>
    Number(isField(alert)) * 4 + Number(isSegment(alert)) * 2 + Number(isPlace(alert));
  const [alert = null] = alerts
    .filter(({ sinceMs, openedAtMs }) => sinceMs >= firstBucketMs && openedAtMs > fault.fromMs)
    .toSorted((a, b) => points(b) - points(a) || a.openedAtMs - b.openedAtMs);
  const delayMinutes = alert === null ? null : Math.max(0, Math.round((alert.openedAtMs - knowableMs(fault)) / 60_000));
  return {
    name: fault.name,
    found: delayMinutes !== null && delayMinutes <= IN_TIME_MINUTES,
    delayMinutes,
    placeRight: alert !== null && isPlace(alert),
    segmentRight: alert !== null && isSegment(alert),
    fieldRight: alert !== null && isField(alert),
    alert,
    falseAlerts: alerts.filter((other) => other !== alert),
  };
}

/** The result, for machines. */
export interface WatchFigures {
  readonly faults: readonly Pick<
    FaultVerdict,
    'name' | 'found' | 'delayMinutes' | 'placeRight' | 'segmentRight' | 'fieldRight'
  >[];
  /** Of all runs, the one with no fault among them. */
  readonly falseAlerts: number;
  readonly seconds: number;
}

/** Whether each fault was found, in time and as what it is, and nothing else was said. */
export function isWatched({ faults, falseAlerts }: WatchFigures): boolean {
  return (
    falseAlerts === 0 &&
    faults.length > 0 &&
    faults.every(({ found, placeRight, segmentRight, fieldRight }) => found && placeRight && segmentRight && fieldRight)
  );
}

function sameSegment(one: MonitorSegment | null, other: MonitorSegment | null): boolean {
  return one?.name === other?.name && one?.value === other?.value;
}
