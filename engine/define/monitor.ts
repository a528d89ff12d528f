import type { Duration } from './duration.ts';
import type { FeatureService } from './feature-service.ts';
import type { FeatureView } from './feature-view.ts';
import type { Source } from './source.ts';

/** What a monitor in code may hold to a bound: shares from 0 to 1, `volume` in records an hour, `lag` as a duration. */
export const MONITOR_METRICS = [
  'volume',
  'share',
  'invalid',
  'left-out',
  'found',
  'kept',
  'lag',
  'coverage',
  'mean',
  'distance',
] as const;
export type MonitorMetric = (typeof MONITOR_METRICS)[number];

/** What a monitor looks at, and what is an alarm whatever is usual. */
export interface MonitorOptions {
  /** A source: its records as they came. A view: what it keeps, and its states. A service: its answers. */
  readonly on: Source | FeatureView | FeatureService;
  /** A field of the source, a feature of the view, or `view.feature` of the service. Default: its records, or reads, themselves. */
  readonly field?: string | undefined;
  /** One value of one of its segments (`segments`, or `partition` of a source): `{ origin: 'ATL' }`. Default: the whole. */
  readonly segment?: Readonly<Record<string, string>> | undefined;
  readonly metric: MonitorMetric;
  /** Less than `least`, or more than `most`, in an hour is an alarm. Of `lag` durations, else numbers. */
  readonly threshold: {
    readonly least?: number | Duration | undefined;
    readonly most?: number | Duration | undefined;
  };
  /** Default: what it looks at, in words. */
  readonly name?: string | undefined;
}

/** A monitor as `monitor()` gives it. */
export interface Monitor {
  readonly kind: 'monitor';
  readonly name: string;
  readonly options: MonitorOptions;
}

/**
 * Declares a bound on what is monitored: an alert opens where an hour is beyond it, whatever is usual. It changes no value and no fingerprint. Faults are
 * reported by `millrace plan`.
 *
 * @example
 * export const delaysKnown = monitor({ on: flights, field: 'delay', segment: { origin: 'ATL' }, metric: 'coverage', threshold: { least: 0.9 } });
 */
export function monitor(options: MonitorOptions): Monitor {
  return Object.freeze({ kind: 'monitor', name: options?.name ?? wordsOf(options), options });
}

function wordsOf(options: MonitorOptions | undefined): string {
  const { on, field, segment, metric } = options ?? {};
  const part = Object.entries(segment ?? {}).map(([name, value]) => ` where ${name} = ${value}`);
  return `${metric} of ${on?.name}${field === undefined ? '' : `.${field}`}${part.join('')}`;
}
