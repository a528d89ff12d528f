import type { Context } from '@temporalio/activity';
import type { HeartbeatFigures } from './heartbeat.ts';

/** Of the figures of a heartbeat, those that are told as metrics. */
const SHOWN = ['lag', 'held', 'holes', 'buffered'] as const;

/**
 * What an activity reports, as metrics of its worker: `millrace_activity_lag`, `…_held`, `…_holes`, `…_buffered`, and `…_waiting_seconds`, 0 where
 * nothing is waited for. By `workflow_id` and `activity_type`. An activity that has ended waits for nothing; its other gauges keep what they said last.
 */
export class ActivityGauges {
  readonly #gauges;
  readonly #waiting;

  constructor(context: Pick<Context, 'info' | 'metricMeter'>) {
    const { workflowExecution, activityType } = context.info;
    const meter = context.metricMeter.withTags({
      workflow_id: workflowExecution?.workflowId ?? '',
      activity_type: activityType,
    });
    this.#gauges = SHOWN.map((name) => ({
      name,
      gauge: meter.createGauge(`millrace_activity_${name}`, 'int', 'records'),
    }));
    this.#waiting = meter.createGauge('millrace_activity_waiting_seconds', 'float', 's');
  }

  show(figures: HeartbeatFigures): void {
    for (const { name, gauge } of this.#gauges) {
      const value = figures[name];
      if (typeof value === 'number') gauge.set(value);
    }
    const since = figures['waitingSince'];
    this.#waiting.set(typeof since === 'string' ? Math.max(0, Date.now() - Date.parse(since)) / 1000 : 0);
  }
}
