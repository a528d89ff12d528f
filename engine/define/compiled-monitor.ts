import type { MonitorMetric } from './monitor.ts';

/** A monitor made ready to run: plain data. */
export interface CompiledMonitor {
  readonly name: string;
  readonly subject: {
    readonly place: 'source' | 'view' | 'store' | 'served';
    readonly object: string;
    readonly field: string | null;
    readonly segment: { readonly name: string; readonly value: string } | null;
  };
  readonly metric: MonitorMetric;
  /** It is an alarm where an hour has less, or more; a lag in ms. */
  readonly least: number | null;
  readonly most: number | null;
}
